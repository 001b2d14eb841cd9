// SPDX-License-Identifier: Apache-2.0

/// A rate as a bucket: filled by `rate` tokens a second up to `capacity`, emptied by what is taken. Integer arithmetic,
/// time as an argument (monotonic nanoseconds), so the same calls give the same answers everywhere.
package struct TokenBucket: Hashable, Sendable {
    /// Tokens a second, at least 1.
    package let rate: Int64
    /// Tokens at most, at least 1: the largest burst.
    package let capacity: Int64
    /// In billionths of a token, so that no fraction is lost between two short waits; below 0 it is a debt.
    private var level: Int128
    private var updatedNanos: UInt64

    static let nanosPerSecond: Int128 = 1_000_000_000

    /// A full bucket.
    package init(rate: Int64, capacity: Int64, nowNanos: UInt64) {
        self.rate = max(1, rate)
        self.capacity = max(1, capacity)
        self.level = Int128(self.capacity) * Self.nanosPerSecond
        self.updatedNanos = nowNanos
    }

    /// Whole tokens that can be taken now; negative while in debt.
    package func tokens(nowNanos: UInt64) -> Int64 {
        var copy = self
        copy.refill(nowNanos)
        let (quotient, remainder) = copy.level.quotientAndRemainder(dividingBy: Self.nanosPerSecond)
        return Int64(clamping: remainder < 0 ? quotient - 1 : quotient)
    }

    /// Whether nothing is missing: such a bucket is the same as a new one and need not be kept.
    package func isFull(nowNanos: UInt64) -> Bool {
        self.tokens(nowNanos: nowNanos) == self.capacity
    }

    /// Takes `count` tokens if they are all there, else none.
    package mutating func take(_ count: Int64, nowNanos: UInt64) -> Bool {
        self.refill(nowNanos)
        let wanted = Int128(count) * Self.nanosPerSecond
        guard wanted <= self.level else { return false }
        self.level -= wanted
        return true
    }

    /// Takes `count` tokens that were already used. What is more than there were puts the bucket into debt by the
    /// whole of it: the rest that was left does not shorten the wait (docs/kinesis-semantics.md, Reads:
    /// after an answer of 10 MiB at 2 MiB/s the calls of the next 5 s are refused).
    package mutating func overdraw(_ count: Int64, nowNanos: UInt64) {
        self.refill(nowNanos)
        let used = Int128(count) * Self.nanosPerSecond
        self.level = used > self.level ? min(self.level, 0) - used : self.level - used
    }

    /// Puts back what was taken and not used.
    package mutating func giveBack(_ count: Int64) {
        self.level = min(self.level + Int128(count) * Self.nanosPerSecond, self.fullLevel)
    }

    /// Nanoseconds until `count` tokens are there if nobody takes any; more than the capacity counts as the capacity.
    package func nanosUntil(_ count: Int64, nowNanos: UInt64) -> UInt64 {
        var copy = self
        copy.refill(nowNanos)
        let missing = min(Int128(count) * Self.nanosPerSecond, self.fullLevel) - copy.level
        guard missing > 0 else { return 0 }
        let nanos = (missing + Int128(self.rate) - 1) / Int128(self.rate)
        return UInt64(clamping: nanos)
    }

    /// The same level under another rate and capacity; what does not fit any more is lost.
    package func changed(rate: Int64, capacity: Int64, nowNanos: UInt64) -> TokenBucket {
        var old = self
        old.refill(nowNanos)
        var new = TokenBucket(rate: rate, capacity: capacity, nowNanos: nowNanos)
        new.level = min(old.level, new.fullLevel)
        return new
    }

    private var fullLevel: Int128 { Int128(self.capacity) * Self.nanosPerSecond }

    /// A clock that goes back adds nothing and takes nothing.
    private mutating func refill(_ nowNanos: UInt64) {
        guard nowNanos > self.updatedNanos else { return }
        let elapsed = Int128(nowNanos - self.updatedNanos)
        self.updatedNanos = nowNanos
        self.level = min(self.level + elapsed * Int128(self.rate), self.fullLevel)
    }
}
