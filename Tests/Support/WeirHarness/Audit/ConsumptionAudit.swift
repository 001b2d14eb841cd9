// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization
import WeirModel

/// What workers printed, held against what was acknowledged.
///
/// Lines of one worker are seen in the order in which it printed them. Those of two workers come over two pipes, so
/// between them an order is judged only where it differs by more than a busy machine could make of it.
package final class ConsumptionAudit: Sendable {
    /// When and by whom a record was processed for the first time.
    private struct Seen: BitwiseCopyable {
        var nanos: UInt64 = 0
        var worker: Int32 = -1

        func isClearlyAfter(_ other: Seen) -> Bool {
            self.nanos > other.nanos + (self.worker == other.worker ? 0 : 2_000_000_000)
        }
    }

    private struct State {
        /// Of each record that was put, by producer and position.
        var seen: [[Seen]]
        var spans: [ShardNumber: (first: Seen, last: Seen)] = [:]
        var workers: [String] = []
        var counts: [Int] = []
        var unique = 0
        var duplicates: [(place: Place, worker: Int)] = []
        var violations = Violations()
        /// Shards that a worker lost without having let go of them: the index from which records may come again.
        var again: [ShardNumber: UInt64] = [:]

        mutating func number(of worker: String) -> Int {
            if let number = self.workers.firstIndex(of: worker) { return number }
            self.workers.append(worker)
            self.counts.append(0)
            return self.workers.count - 1
        }
    }

    private let workload: Workload
    private let state: Mutex<State>

    package init(_ workload: Workload) {
        self.workload = workload
        self.state = Mutex(State(seen: Array(repeating: [], count: workload.producers)))
    }

    package var unique: Int { self.state.withLock { $0.unique } }
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
    package func take(_ line: borrowing Span<UInt8>, of worker: String) {
        let record: RecordLine
        do {
            record = try RecordLine(line)
        } catch {
            self.state.withLock { $0.violations.add("\(worker) printed: \(error)") }
            return
        }
        guard let (producer, position) = record.data.withUnsafeBytes({ self.workload.origin($0) }) else {
            self.state.withLock { $0.violations.add("\(record.place) was put by nobody") }
            return
        }
        self.take(record.place, producer, position, of: worker, at: weir_monotonic_nanoseconds())
    }

    /// A record of a producer was processed.
    package func take(_ place: Place, _ producer: Int, _ position: Int, of worker: String, at nanos: UInt64) {
        self.state.withLock { state in
            let number = state.number(of: worker)
            state.counts[number] += 1
            while state.seen[producer].count <= position { state.seen[producer].append(Seen()) }
            guard state.seen[producer][position].worker < 0 else {
                state.duplicates.append((place, number))
                return
            }
            let seen = Seen(nanos: nanos, worker: Int32(number))
            state.seen[producer][position] = seen
            state.unique += 1
            state.spans[place.shard] = (state.spans[place.shard]?.first ?? seen, seen)
        }
    }

    /// Judges everything, once all has been processed.
    package func judge(_ ledgers: [Ledger], _ shards: [ShardDescription], _ report: inout Report) {
        self.state.withLock { state in
            var acknowledged = 0
            var lost = 0
            for ledger in ledgers {
                acknowledged += ledger.snapshot.acknowledged
                lost += self.judge(ledger, &state)
            }
            self.judgeLineage(shards, &state)
            self.judgeDuplicates(&state)
            report.add("acknowledged", acknowledged)
            report.add("processed", state.counts.reduce(0, +))
            report.add("duplicates", state.duplicates.count)
            report.add("lost", lost)
            for (worker, count) in zip(state.workers, state.counts) { report.add(worker, count) }
            report.violations.add(state.violations)
        }
    }

    /// Every acknowledged record was processed, and those of a key in their order. Returns how many were not.
    private func judge(_ ledger: Ledger, _ state: inout State) -> Int {
        let put = ledger.snapshot
        var lost = 0
        var lastOfKey: [Int: Seen] = [:]
        for position in put.ordinals.indices {
            let seen =
                state.seen[ledger.producer].indices.contains(position) ? state.seen[ledger.producer][position] : Seen()
            guard seen.worker >= 0 else {
                if let place = put.place(position) {
                    lost += 1
                    state.violations.add("never processed: record \(position) of \(ledger.producer), at \(place)")
                }
                continue
            }
            let key = self.workload.key(ledger.producer, position)
            if let last = lastOfKey[key], last.isClearlyAfter(seen) {
                state.violations.add(
                    "\(state.workers[Int(seen.worker)]) processed record \(position) of key "
                        + "\(self.workload.keyText(ledger.producer, key)) before "
                        + "\(state.workers[Int(last.worker)]) processed the one before it")
            }
            lastOfKey[key] = seen
        }
        return lost
    }

    private func judgeLineage(_ shards: [ShardDescription], _ state: inout State) {
        for shard in shards {
            guard let span = state.spans[shard.number] else { continue }
            for parent in shard.parents {
                if let before = state.spans[parent], before.last.isClearlyAfter(span.first) {
                    state.violations.add("\(shard.number) began before its parent \(parent) was finished")
                }
            }
        }
    }

    private func judgeDuplicates(_ state: inout State) {
        for (place, worker) in state.duplicates {
            guard let from = state.again[place.shard] else {
                state.violations.add("\(state.workers[worker]) processed \(place) again, where nobody was killed")
                continue
            }
            if place.index < from {
                state.violations.add(
                    "\(state.workers[worker]) processed \(place) again, which was checkpointed (\(from))")
            }
        }
    }
}
