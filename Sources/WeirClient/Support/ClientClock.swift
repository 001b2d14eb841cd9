// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// Time as the client sees it: a seam, so that tests decide when it passes.
package protocol ClientClock: Sendable {
    /// Nanoseconds of a clock that never goes back.
    var nanoseconds: UInt64 { get }
    /// Calls `body` once, on some thread, when the clock has reached `nanoseconds` or later. Cannot be taken back: the
    /// body finds out for itself whether there is something to do.
    func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void)
    /// Returns when the clock has reached `nanoseconds`; throws `CancellationError` when the task is cancelled.
    func sleep(until nanoseconds: UInt64) async throws
}

package struct SystemClock: ClientClock {
    /// The one thread of this process that keeps time for clients. It lives as long as the process, and only waits.
    private static let timers = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    package init() {}

    package var nanoseconds: UInt64 { NIODeadline.now().uptimeNanoseconds }

    package func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) {
        // Whoever set it may be gone when it fires, and the body copes with that.
        Self.timers.next().scheduleTask(deadline: .uptimeNanoseconds(nanoseconds), body)
    }

    package func sleep(until nanoseconds: UInt64) async throws {
        let now = self.nanoseconds
        guard nanoseconds > now else { return try Task.checkCancellation() }
        try await Task.sleep(nanoseconds: nanoseconds - now)
    }
}

extension Duration {
    /// Whole nanoseconds, at least 0 and at most 292 years.
    package var nanos: UInt64 {
        let (seconds, attoseconds) = self.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 9_000_000_000 else { return 9_000_000_000_000_000_000 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
    }
}

/// Random numbers for pauses and session ids: a seam, so that tests are the same each time.
package typealias Dice = @Sendable () -> UInt64

package func systemDice() -> UInt64 { UInt64.random(in: .min ... .max) }
