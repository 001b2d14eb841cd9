// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// When to try again: the one place that decides it. Pure: the same policy, error, attempt and dice give the same
/// pause.
public struct RetryPolicy: Hashable, Sendable {
    package var firstPauseMillis: UInt32
    package var longestPauseMillis: UInt32

    /// Pause before the second attempt to connect, in whole milliseconds, at least 1. Doubles with each further one.
    public var firstPause: Duration {
        get { .milliseconds(Int64(self.firstPauseMillis)) }
        set { self.firstPauseMillis = UInt32(clamping: newValue.millis) }
    }
    /// No pause is longer.
    public var longestPause: Duration {
        get { .milliseconds(Int64(self.longestPauseMillis)) }
        set { self.longestPauseMillis = UInt32(clamping: newValue.millis) }
    }

    public init(firstPause: Duration = .milliseconds(20), longestPause: Duration = .seconds(2)) {
        self.init(
            firstPauseMillis: UInt32(clamping: firstPause.millis),
            longestPauseMillis: UInt32(clamping: longestPause.millis))
    }

    package init(firstPauseMillis: UInt32, longestPauseMillis: UInt32) {
        self.firstPauseMillis = firstPauseMillis
        self.longestPauseMillis = longestPauseMillis
    }

    func validate() throws(WeirError) {
        guard self.firstPauseMillis >= 1, self.longestPauseMillis >= self.firstPauseMillis else {
            throw WeirError(
                .invalidArgument,
                "pauses of \(self.firstPauseMillis) to \(self.longestPauseMillis) ms are not allowed: the first is at "
                    + "least 1 ms and not above the longest")
        }
    }

    /// What to do after an error.
    package enum Decision: Hashable, Sendable {
        case giveUp
        /// After so many nanoseconds.
        case again(after: UInt64)
    }

    /// The pause before the attempt after `attempt` failed ones (from 1): doubled each time, of which a random half is
    /// taken away, so that many clients do not come back at once. `dice` is uniform over all of `UInt64`.
    package func pauseNanos(attempt: Int, dice: UInt64) -> UInt64 {
        let doublings = min(max(0, attempt - 1), 20)
        let full = min(UInt64(self.firstPauseMillis) << doublings, UInt64(self.longestPauseMillis)) * 1_000_000
        return full - full / 2 + dice % (full / 2 + 1)
    }

    /// A request failed for the `attempt`th time (from 1). It is repeated when the verdict allows it, and, when it may
    /// have been carried out, only if that does no harm.
    package func decide(_ error: WeirError, attempt: Int, isRepeatable: Bool, dice: UInt64) -> Decision {
        if error.verdict.maybeStored && !isRepeatable { return .giveUp }
        switch error.verdict.retry {
        case .never, .refreshShardMap: return .giveUp
        case .after(let asked):
            return .again(after: max(asked.nanos, self.pauseNanos(attempt: attempt, dice: dice)))
        }
    }
}
