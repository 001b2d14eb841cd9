// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirConsumer
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension Workers {
    /// Whether the worker runs and is heard of, and has been for a session timeout.
    func isWell(_ worker: SimWorker) -> Bool {
        worker.isAlive && !worker.isLeaving && self.now >= worker.pausedUntil
            && self.now > worker.unwellUntil + self.plan.session + self.plan.session / 10
    }

    /// Every eligible shard has a holder who is there, or gets one in time.
    func checkHolders() throws(Violation) {
        guard self.core.unavailable() == nil, let stream = self.core.catalog.stream(self.stream) else {
            return self.watchOfHolders.reset()
        }
        let here = self.workers.filter { worker in
            worker.isAlive && self.now >= worker.pausedUntil && worker.machine.isInSession(now: self.nanos)
        }
        guard here.contains(where: { !$0.isLeaving }) else { return self.watchOfHolders.reset() }
        // Those who finish their work before they leave are holders still.
        // So is one that is awake again and has spoken: if it dies before it is answered, its silence counts from then
        // on.
        let owners = Set(self.workers.filter { $0.isAlive && self.now >= $0.pausedUntil }.map(\.owner))
        var unheld: [LeaseAuditor.Hold] = []
        for (number, row) in self.leases.ahead where !row.isFinished {
            if let owner = row.owner, owners.contains(owner) { continue }
            guard stream.shard(number) != nil,
                self.ancestors(of: number).allSatisfy({ self.leases.ahead[$0]?.isFinished ?? true })
            else { continue }
            unheld.append(LeaseAuditor.Hold(shard: number, counter: row.counter))
        }
        try self.watchOfHolders.look(unheld, now: self.now, atMost: self.plan.unheldMax)
    }

    /// All shards that a shard came of, parents first, as far as they are there. Not as the engine looks for them.
    func ancestors(of shard: ShardNumber) -> [ShardNumber] {
        let stream = self.core.catalog.stream(self.stream)
        var found: [ShardNumber] = []
        var next = stream?.shard(shard)?.parents ?? []
        while !next.isEmpty {
            let parent = next.removeFirst()
            guard !found.contains(parent) else { continue }
            found.append(parent)
            next += stream?.shard(parent)?.parents ?? []
        }
        return found
    }

    /// Everything up to a checkpoint that was accepted was processed.
    func checkCovered(_ shard: ShardNumber, _ position: LeaseCheckpoint) throws(Violation) {
        let before = self.leases.ahead[shard]?.checkpoint ?? .trimHorizon
        guard before != position else { return }
        let place = ShardRef(stream: self.stream, shard: shard)
        guard case .success(let start) = self.start(of: before, in: place) else { return }
        var end = self.core.shard(place)?.durableEnd ?? 0
        if case .sequenceNumber(let number, _) = position { end = number.index + 1 }
        try self.checkProcessed(place, start..<max(start, end), "checkpointed at \(position)")
    }

    private func checkProcessed(
        _ place: ShardRef, _ indexes: Range<UInt64>, _ what: String
    ) throws(Violation) {
        var next = indexes.lowerBound
        while next < indexes.upperBound {
            guard let result = try self.node.readOnce(place, from: next, maxBytes: 1 << 20), result.recordCount > 0
            else { return }
            let records = try self.seen(result, place.shard).filter { $0.index < indexes.upperBound }
            try self.records.check(records, of: place.shard, what)
            next = result.nextIndex
        }
    }

    // MARK: The end

    func unfinished() throws(Violation) -> String? {
        for worker in self.workers where worker.isAlive { self.note("\(worker.owner): \(worker.leases)") }
        // Pauses run out: what waits for the end of one has its time already.
        if !self.workers.contains(where: { $0.isAlive && !$0.isLeaving }) { try self.startWorker() }
        guard self.isUp, self.node.life.writers.isEmpty, !self.core.hasWork else { return "the log has work to do" }
        return try self.isBehind()
    }

    /// What is still to be processed.
    private func isBehind() throws(Violation) -> String? {
        for (number, row) in self.leases.durable.sorted(by: { $0.key < $1.key }) where !row.isFinished {
            let place = ShardRef(stream: self.stream, shard: number)
            guard let shard = self.core.catalog.shard(place), let state = self.core.shard(place) else { continue }
            guard shard.isOpen else { return "\(number) is closed and stands at \(row.checkpoint)" }
            guard case .success(let next) = self.start(of: row.checkpoint, in: place) else { return "\(number)" }
            guard next >= state.durableEnd else {
                return "\(number) stands at \(row.checkpoint), \(state.durableEnd - next) records behind, "
                    + "held by \(row.owner.map { "\($0)" } ?? "nobody")"
            }
        }
        return self.leases.durable.isEmpty ? "nobody has joined" : nil
    }

    func checkEnd() throws(Violation) {
        try self.node.auditAll()
        for number in self.leases.durable.keys.sorted() {
            let place = ShardRef(stream: self.stream, shard: number)
            guard let state = self.core.shard(place) else { throw Violation("\(number) is not there") }
            try self.checkProcessed(place, state.firstIndex..<state.durableEnd, "the history has ended")
        }
    }
}
