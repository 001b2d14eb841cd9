// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine
import WeirTestKit

@Suite struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func `A new bucket is full and is emptied by what is taken`() {
        var bucket = TokenBucket(rate: 10, capacity: 20, nowNanos: 5)
        #expect(bucket.tokens(nowNanos: 5) == 20)
        #expect(bucket.isFull(nowNanos: 5))
        let took = bucket.take(15, nowNanos: 5)
        #expect(took)
        #expect(bucket.tokens(nowNanos: 5) == 5)
        let tookMore = bucket.take(6, nowNanos: 5)
        #expect(!tookMore)
        #expect(bucket.tokens(nowNanos: 5) == 5, "what is not enough is left alone")
    }

    @Test func `It fills by its rate up to its capacity and not further`() {
        var bucket = TokenBucket(rate: 10, capacity: 20, nowNanos: 0)
        #expect(bucket.take(20, nowNanos: 0) == true)
        #expect(bucket.tokens(nowNanos: Self.second / 10) == 1)
        #expect(bucket.tokens(nowNanos: Self.second / 10 - 1) == 0)
        #expect(bucket.tokens(nowNanos: Self.second) == 10)
        #expect(bucket.tokens(nowNanos: 100 * Self.second) == 20)
    }

    @Test func `A clock that goes back neither fills nor empties`() {
        var bucket = TokenBucket(rate: 10, capacity: 20, nowNanos: 10 * Self.second)
        #expect(bucket.take(20, nowNanos: 10 * Self.second) == true)
        #expect(bucket.tokens(nowNanos: 0) == 0)
        let took = bucket.take(1, nowNanos: 0)
        #expect(!took)
        #expect(bucket.tokens(nowNanos: 11 * Self.second) == 10, "time counts once")
    }

    @Test func `A reply that is larger than what was left is a debt of its whole size`() {
        let rate: Int64 = 2 << 20
        var bucket = TokenBucket(rate: rate, capacity: rate, nowNanos: 0)
        bucket.overdraw(10 << 20, nowNanos: 0)
        #expect(bucket.tokens(nowNanos: 0) == -10 << 20)
        #expect(bucket.tokens(nowNanos: 5 * Self.second - 1) < 1)
        #expect(bucket.tokens(nowNanos: 5 * Self.second + 1000) >= 1, "10 MiB at 2 MiB/s are 5 s")
        // A second one while in debt adds to it.
        bucket.overdraw(2 << 20, nowNanos: Self.second)
        #expect(bucket.tokens(nowNanos: Self.second) == -10 << 20)
    }

    @Test func `What fits is taken without a debt`() {
        var bucket = TokenBucket(rate: 100, capacity: 100, nowNanos: 0)
        bucket.overdraw(100, nowNanos: 0)
        #expect(bucket.tokens(nowNanos: 0) == 0)
        #expect(bucket.tokens(nowNanos: Self.second / 100) == 1)
    }

    @Test func `What is given back never exceeds the capacity`() {
        var bucket = TokenBucket(rate: 1, capacity: 5, nowNanos: 0)
        #expect(bucket.take(2, nowNanos: 0) == true)
        bucket.giveBack(10)
        #expect(bucket.tokens(nowNanos: 0) == 5)
    }

    @Test func `A change of the rate keeps what was used`() {
        var bucket = TokenBucket(rate: 10, capacity: 10, nowNanos: 0)
        #expect(bucket.take(8, nowNanos: 0) == true)
        let faster = bucket.changed(rate: 1000, capacity: 1000, nowNanos: 0)
        #expect(faster.tokens(nowNanos: 0) == 2)
        #expect(faster.tokens(nowNanos: Self.second / 2) == 502)
        let smaller = bucket.changed(rate: 1, capacity: 1, nowNanos: 0)
        #expect(smaller.tokens(nowNanos: 0) == 1, "what does not fit is lost")
    }

    @Test func `The wait that it names is exact to the nanosecond`() {
        var bucket = TokenBucket(rate: 3, capacity: 3, nowNanos: 0)
        #expect(bucket.take(3, nowNanos: 0) == true)
        let wait = bucket.nanosUntil(1, nowNanos: 0)
        #expect(wait == 333_333_334)
        var early = bucket
        let tookEarly = early.take(1, nowNanos: wait - 1)
        #expect(!tookEarly)
        let took = bucket.take(1, nowNanos: wait)
        #expect(took)
    }

    @Test func `More than the capacity is waited for as the capacity`() {
        var bucket = TokenBucket(rate: 10, capacity: 10, nowNanos: 0)
        #expect(bucket.take(10, nowNanos: 0) == true)
        #expect(bucket.nanosUntil(1_000_000, nowNanos: 0) == Self.second)
    }

    @Test func `The largest rates do not overflow`() {
        var bucket = TokenBucket(rate: .max, capacity: .max, nowNanos: 0)
        #expect(bucket.take(.max, nowNanos: 0) == true)
        #expect(bucket.tokens(nowNanos: .max) == .max)
        bucket.overdraw(.max, nowNanos: .max)
        bucket.overdraw(.max, nowNanos: .max)
        bucket.overdraw(.max, nowNanos: .max)
        #expect(bucket.nanosUntil(1, nowNanos: .max) > 0)
    }

    @Test func `Over any history no more is taken than the capacity and what has filled since`() {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        for _ in 0..<200 {
            let rate = Int64.random(in: 1...10_000, using: &random)
            let capacity = Int64.random(in: 1...10_000, using: &random)
            var bucket = TokenBucket(rate: rate, capacity: capacity, nowNanos: 0)
            var now: UInt64 = 0
            var taken: Int64 = 0
            for _ in 0..<200 {
                now += UInt64.random(in: 0...50_000_000, using: &random)
                let count = Int64.random(in: 1...capacity, using: &random)
                let wait = bucket.nanosUntil(count, nowNanos: now)
                let isTaken = bucket.take(count, nowNanos: now)
                #expect(isTaken == (wait == 0), "seed \(seed)")
                if isTaken { taken += count }
                let allowed = Int128(capacity) * 1_000_000_000 + Int128(now) * Int128(rate)
                #expect(Int128(taken) * 1_000_000_000 <= allowed, "seed \(seed)")
            }
        }
    }
}
