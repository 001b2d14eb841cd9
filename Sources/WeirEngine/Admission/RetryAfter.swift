// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How long a refused caller is asked to wait.
package enum RetryAfter {
    /// For how many milliseconds a caller may be asked to wait: long enough to help, short enough to notice a change.
    package static let millis: ClosedRange<UInt32> = 1...60_000

    /// The wait in milliseconds, rounded up so that a caller who comes back then finds what it waited for.
    package static func millis(nanos: UInt64) -> UInt32 {
        let millis = nanos / 1_000_000 + (nanos % 1_000_000 == 0 ? 0 : 1)
        return min(max(UInt32(clamping: millis), Self.millis.lowerBound), Self.millis.upperBound)
    }

    /// The shortest wait for a refused put, in milliseconds. A put usually has many refused records: a caller that came
    /// back as soon as one of them fits would see all others refused again. In 50 ms a bucket gains a twentieth of
    /// what it admits in a second, and none of that is lost.
    package static let putMillisMin: UInt32 = 50

    /// The verdict that nothing was stored and that the caller may put it again after `nanos`, or a little later.
    package static func putVerdict(nanos: UInt64) -> WeirError.Verdict {
        WeirError.Verdict(maybeStored: false, retry: .after(millis: max(Self.putMillisMin, Self.millis(nanos: nanos))))
    }

    /// The verdict that nothing was stored and that the caller may come again after `nanos`.
    package static func verdict(nanos: UInt64) -> WeirError.Verdict {
        WeirError.Verdict(maybeStored: false, retry: .after(millis: Self.millis(nanos: nanos)))
    }
}
