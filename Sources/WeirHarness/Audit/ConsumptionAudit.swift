// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// What workers printed, in the order in which it came, held against what was acknowledged.
package final class ConsumptionAudit: Sendable {
    private struct State {
        /// Of each record that was put: whether it was processed, by producer and position.
        var processed: [[Bool]]
        /// Of each key of each producer: how many of its records were processed for the first time.
        var reached: [[UInt32]]
        /// When the first and the last record of a shard was processed for the first time.
        var spans: [ShardNumber: (first: Int, last: Int)] = [:]
        var byWorker: [String: Int] = [:]
        var count = 0
        var unique = 0
        var duplicates: [(place: Place, worker: String)] = []
        var violations = Violations()
        /// Shards that a worker lost without having let go of them: the index from which records may come again.
        var again: [ShardNumber: UInt64] = [:]
    }

    private let workload: Workload
    private let state: Mutex<State>

    package init(_ workload: Workload) {
        self.workload = workload
        self.state = Mutex(
            State(
                processed: Array(repeating: [], count: workload.producers),
                reached: Array(
                    repeating: Array(repeating: 0, count: workload.keys), count: workload.producers)))
    }

    package var unique: Int { self.state.withLock { $0.unique } }
    package var count: Int { self.state.withLock { $0.count } }
    package var duplicates: Int { self.state.withLock { $0.duplicates.count } }

    /// The worker that held these leases was killed or stopped moving: what it did behind its checkpoints may be done
    /// again.
    package func mayRepeat(_ leases: [LeaseDescription]) {
        self.state.withLock { state in
            for lease in leases {
                var from: UInt64 = 0
                if case .sequenceNumber(let number, _) = lease.checkpoint { from = number.index + 1 }
                state.again[lease.shard] = min(from, state.again[lease.shard] ?? .max)
            }
        }
    }

    /// For `ChildProcess.start`: a line that `worker` printed.
    package func take(_ line: borrowing Span<UInt8>, of worker: String, ordinals: (Int, Int) -> UInt32?) {
        let record: RecordLine
        do {
            record = try RecordLine(line)
        } catch {
            self.state.withLock { $0.violations.add("\(worker) printed: \(error)") }
            return
        }
        let origin = record.data.withUnsafeBytes { self.workload.origin($0) }
        guard let (producer, position) = origin else {
            self.state.withLock { $0.violations.add("\(record.place) was put by nobody") }
            return
        }
        let ordinal = ordinals(producer, position)
        let key = self.workload.key(producer, position)
        self.state.withLock { state in
            state.count += 1
            state.byWorker[worker, default: 0] += 1
            while state.processed[producer].count <= position { state.processed[producer].append(false) }
            if state.processed[producer][position] {
                state.duplicates.append((record.place, worker))
                return
            }
            state.processed[producer][position] = true
            state.unique += 1
            let reached = state.reached[producer][key]
            if ordinal != reached {
                state.violations.add(
                    "\(worker) processed record \(ordinal.map { "\($0)" } ?? "?") of key "
                        + "\(self.workload.keyText(producer, key)), where \(reached) is next, at \(record.place)")
            }
            state.reached[producer][key] = (ordinal ?? reached) + 1
            let first = state.spans[record.place.shard]?.first ?? state.unique
            state.spans[record.place.shard] = (first, state.unique)
        }
    }

    /// Judges everything, once all has been processed.
    package func judge(_ ledgers: [Ledger], _ shards: [ShardDescription], _ report: inout Report) {
        self.state.withLock { state in
            var acknowledged = 0
            var lost = 0
            for ledger in ledgers {
                let put = ledger.snapshot
                acknowledged += put.acknowledged
                for position in put.ordinals.indices {
                    guard let place = put.place(position) else { continue }
                    let processed = state.processed[ledger.producer]
                    if position >= processed.count || !processed[position] {
                        lost += 1
                        state.violations.add("never processed: record \(position) of \(ledger.producer), at \(place)")
                    }
                }
            }
            for shard in shards {
                guard let span = state.spans[shard.number] else { continue }
                for parent in shard.parents {
                    if let before = state.spans[parent], before.last > span.first {
                        state.violations.add("\(shard.number) began before its parent \(parent) was finished")
                    }
                }
            }
            for (place, worker) in state.duplicates {
                guard let from = state.again[place.shard] else {
                    state.violations.add("\(worker) processed \(place) again, and nobody was killed there")
                    continue
                }
                if place.index < from {
                    state.violations.add("\(worker) processed \(place) again, which was checkpointed (\(from))")
                }
            }
            report.add("acknowledged", acknowledged)
            report.add("processed", state.count)
            report.add("duplicates", state.duplicates.count)
            report.add("lost", lost)
            for (worker, count) in state.byWorker.sorted(by: { $0.key < $1.key }) { report.add(worker, count) }
            report.violations.add(state.violations)
        }
    }
}
