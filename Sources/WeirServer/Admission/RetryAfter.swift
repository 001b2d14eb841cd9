// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How long a refused caller is asked to wait.
package enum RetryAfter {
    /// Milliseconds that a caller may be sent away for: long enough to help, short enough to notice a change.
    package static let millis: ClosedRange<UInt32> = 1...60_000

    /// Rounded up, so that a caller who comes then finds what it waited for.
    package static func millis(nanos: UInt64) -> UInt32 {
        let millis = nanos / 1_000_000 + (nanos % 1_000_000 == 0 ? 0 : 1)
        return min(max(UInt32(clamping: millis), Self.millis.lowerBound), Self.millis.upperBound)
    }

    /// Records are refused in numbers: who came back as soon as there is room for one would be refused all others
    /// again, and again. In this time a bucket gains a twentieth of a second's worth, and loses nothing that it holds.
    package static let putMillisMin: UInt32 = 50

    /// Nothing was stored; put it again after so many nanoseconds, or a little later.
    package static func putVerdict(nanos: UInt64) -> WeirError.Verdict {
        WeirError.Verdict(maybeStored: false, retry: .after(max(Self.putMillisMin, Self.millis(nanos: nanos))))
    }

    /// Nothing was stored; come again after so many nanoseconds.
    package static func verdict(nanos: UInt64) -> WeirError.Verdict {
        WeirError.Verdict(maybeStored: false, retry: .after(Self.millis(nanos: nanos)))
    }
}
