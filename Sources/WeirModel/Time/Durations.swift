// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole nanoseconds, at least 0 and at most 292 years.
    package var nanos: UInt64 {
        let (seconds, attoseconds) = self.components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        guard seconds < 9_000_000_000 else { return 9_000_000_000_000_000_000 }
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
    }

    /// Whole milliseconds, rounded towards zero, and cut to what 64 bits hold.
    package var millis: Int64 {
        let (seconds, attoseconds) = self.components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isCut) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return isTooLong || isCut ? (seconds < 0 ? .min : .max) : sum
    }
}
