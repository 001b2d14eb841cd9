// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirModel

/// A reader that follows a stream from its beginning while everything else happens, and remembers what it saw.
package final class LiveReader: Sendable {
    private struct State {
        /// Of each shard: fingerprints of its records from the first one on.
        var seen: [ShardNumber: [UInt64]] = [:]
        var first: [ShardNumber: UInt64] = [:]
        var count = 0
        var violations = Violations()
        var failure: HarnessError?
    }

    private let state = Mutex(State())

    package init() {}

    package var count: Int { self.state.withLock { $0.count } }
    package var violations: Violations { self.state.withLock { $0.violations } }

    /// Reads until its task is cancelled.
    package func run(_ client: WeirClient, _ stream: StreamID) async {
        let records = client.records(
            stream, from: .trimHorizon, until: .forever, ReaderConfiguration(timeout: nil))
        do {
            for try await batch in records { self.take(batch) }
        } catch {
            self.state.withLock { $0.failure = HarnessError("reading failed: \(error)") }
        }
    }

    /// Throws when reading has failed.
    package func check() throws { if let failure = self.state.withLock({ $0.failure }) { throw failure } }

    private func take(_ batch: RecordBatch) {
        self.state.withLock { state in
            if batch.missedRecords > 0 {
                state.violations.add("the reader was told that it missed \(batch.missedRecords) of \(batch.shard)")
            }
            batch.forEach { record in
                let first = state.first[record.shard] ?? record.index
                state.first[record.shard] = first
                let expected = first + UInt64(state.seen[record.shard]?.count ?? 0)
                if record.index != expected {
                    state.violations.add(
                        "the reader was given \(record.shard)/\(record.index) where \(expected) should come")
                }
                state.seen[record.shard, default: []].append(
                    Workload.fingerprint(key: record.partitionKey, data: record.data))
                state.count += 1
            }
        }
    }

    /// Compares what was seen with what is there in the end: nothing that was seen may be gone or changed.
    package func judge(_ final: [ShardNumber: (first: UInt64, fingerprints: [UInt64])]) -> Violations {
        self.state.withLock { state in
            var violations = state.violations
            for (shard, seen) in state.seen {
                guard let there = final[shard], let first = state.first[shard], first == there.first else {
                    violations.add("what a reader saw of \(shard) is gone: \(seen.count) records")
                    continue
                }
                if seen.count > there.fingerprints.count {
                    violations.add(
                        "a reader saw \(seen.count) records of \(shard), \(there.fingerprints.count) are there")
                }
                let different = zip(seen, there.fingerprints).enumerated().first { $0.element.0 != $0.element.1 }
                if let different {
                    violations.add("\(shard)/\(first + UInt64(different.offset)) is not what a reader saw before")
                }
            }
            return violations
        }
    }
}
