// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// What a `weir tail --json` printed, line by line while it runs.
package final class TailWatcher: Sendable {
    /// Of a record: enough to judge it later.
    package struct Entry: Sendable {
        package let place: Place
        package let arrivalMillis: Int64
        package let key: String
        package let data: [UInt8]
    }

    private struct State {
        var entries: [Entry] = []
        var violations = Violations()
    }

    private let state = Mutex(State())

    package init() {}

    package var count: Int { self.state.withLock { $0.entries.count } }
    package var entries: [Entry] { self.state.withLock { $0.entries } }
    package var violations: Violations { self.state.withLock { $0.violations } }

    /// For `ChildProcess.start`.
    package func take(_ line: borrowing Span<UInt8>) {
        do {
            let record = try RecordLine(line)
            self.state.withLock {
                $0.entries.append(
                    Entry(
                        place: record.place, arrivalMillis: record.arrivalMillis, key: record.partitionKey,
                        data: record.data))
            }
        } catch {
            self.state.withLock { $0.violations.add("tail printed: \(error)") }
        }
    }
}
