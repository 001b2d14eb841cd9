// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// What a node has done since its start. Each event loop counts for itself, so that no two write the same number; a
/// reader adds them up.
package final class Counters: Sendable {
    package let recordsIn = Atomic<Int64>(0)
    package let bytesIn = Atomic<Int64>(0)
    package let recordsOut = Atomic<Int64>(0)
    package let bytesOut = Atomic<Int64>(0)
    package let throttledRecords = Atomic<Int64>(0)
    /// Refused because the log is full.
    package let fullLogRecords = Atomic<Int64>(0)
    package let throttledReads = Atomic<Int64>(0)
    package let putRequests = Atomic<Int64>(0)
    package let connectionsAccepted = Atomic<Int64>(0)
    private let errors = ErrorCounts()

    package init() {}

    package func count(error code: WeirError.Code) { self.errors.count(code) }

    package func errors(_ code: WeirError.Code) -> Int64 { self.errors.value(code) }
}

extension Counters {
    /// Adds `amount` without a read-modify-write that other processors would have to wait for: only the loop that owns
    /// the counters writes them.
    package static func add(_ amount: Int, to counter: borrowing Atomic<Int64>) {
        counter.store(counter.load(ordering: .relaxed) &+ Int64(amount), ordering: .relaxed)
    }
}

/// One counter for each error code.
private final class ErrorCounts: Sendable {
    private let counts = Mutex<[WeirError.Code: Int64]>([:])

    func count(_ code: WeirError.Code) { self.counts.withLock { $0[code, default: 0] += 1 } }
    func value(_ code: WeirError.Code) -> Int64 { self.counts.withLock { $0[code] ?? 0 } }
}
