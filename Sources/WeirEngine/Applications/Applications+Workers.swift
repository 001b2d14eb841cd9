// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// What workers ask. Each answer comes with the mark from which on it may be given.
extension Applications {
    private func tell<Value: Sendable>(
        _ worker: WorkerRef, _ body: (inout State, LogCore, Moment) throws(WeirError) -> Value
    ) -> Told<Value> {
        self.with { state, log, moment in
            log.tell(of: worker.application.stream) { _ throws(WeirError) in try body(&state, log, moment) }
        }
    }

    /// A worker comes, or comes back. `start`: used only when the application is not there yet.
    package func join(
        _ worker: WorkerRef, sessionTimeoutMillis: UInt32, from start: StreamStart
    ) -> Told<Assignment> {
        let application = worker.application
        for _ in 0..<Self.draftsMax {
            let begun = self.tell(worker) { state, log, moment throws(WeirError) in
                try state.draftToJoin(application, from: start, log, moment)
            }
            let none = Assignment(version: 0, leases: nil)
            guard case .success(let found) = begun.value else { return begun.map { _ in none } }
            if let found {
                let drawn = self.drawUp(found)
                let told = self.tell(worker) { state, log, moment throws(WeirError) in
                    try state.commit(drawn, log, moment) != nil
                }
                guard case .success(let isThere) = told.value else { return told.map { _ in none } }
                if !isThere { continue }
            }
            let joined = self.tell(worker) { state, log, moment throws(WeirError) in
                let assignment = try state.join(
                    application, worker.owner, timeoutMillis: sessionTimeoutMillis, from: start, log, moment)
                return (assignment, hasMore: state.hasMore(of: application))
            }
            // Its leases may have been given out in more than one stay under the log's lock.
            guard case .success(let first) = joined.value, first.hasMore else { return joined.map(\.0) }
            return self.heartbeat(worker, seenVersion: 0, news: nil, waiting: nil).map { $0 ?? first.0 }
        }
        return Told(value: .failure(Self.neverStill), mark: .none, watermark: nil)
    }

    /// What a worker has measured of a shard that it holds.
    package typealias Measured = (shard: ShardNumber, bytesPerSecond: UInt64)

    /// `nil`: nothing has changed since `seenVersion`; `waiting` is woken when something does. `news`: it has just
    /// come, and is a sign of life.
    package func heartbeat(
        _ worker: WorkerRef, seenVersion: UInt64, news measured: [Measured]?, waiting: Waiting?
    ) -> Told<Assignment?> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            let beat = State.Beat(
                owner: worker.owner, seenVersion: seenVersion, measured: measured ?? [], isNew: measured != nil)
            return try state.heartbeat(worker.application, beat, waiter: waiting, log, moment)
        }
    }

    /// A sign of life that is answered later.
    package func heard(_ worker: WorkerRef, _ measured: [Measured]) -> Told<Void> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            try state.heard(worker.application, worker.owner, measured, log, moment)
        }
    }

    package func checkpoint(
        _ worker: WorkerRef, _ shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint
    ) -> Told<Void> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            let hold = LeaseHold(shard: shard, owner: worker.owner, counter: counter)
            try state.checkpoint(worker.application, hold, checkpoint, log, moment)
        }
    }

    /// Keeps `bytes` with the lease, for whoever holds it now or next.
    package func saveState(
        _ worker: WorkerRef, _ shard: ShardNumber, counter: UInt64, _ bytes: [UInt8], replaces: UInt32
    ) -> Told<Void> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            let hold = LeaseHold(shard: shard, owner: worker.owner, counter: counter)
            try state.saveState(worker.application, hold, state: bytes, replaces: replaces, log: log, moment: moment)
        }
    }

    package func state(_ worker: WorkerRef, _ shard: ShardNumber, counter: UInt64) -> Told<[UInt8]> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            let hold = LeaseHold(shard: shard, owner: worker.owner, counter: counter)
            return try state.state(worker.application, hold, log: log, moment: moment)
        }
    }

    package func handOver(_ worker: WorkerRef, _ shard: ShardNumber, counter: UInt64) -> Told<Void> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            let hold = LeaseHold(shard: shard, owner: worker.owner, counter: counter)
            try state.handOver(worker.application, hold, log, moment)
        }
    }

    package func leave(_ worker: WorkerRef) -> Told<Void> {
        self.tell(worker) { state, log, moment throws(WeirError) in
            try state.leave(worker.application, worker.owner, log, moment)
        }
    }
}
