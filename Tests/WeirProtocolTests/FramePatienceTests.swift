// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirProtocol

@Suite struct FramePatienceTests {
    private static let stall: Int64 = 30_000

    /// What has come at once, and when it is given up if nothing more does: the stall is the shorter one from the first
    /// byte that buys a millisecond.
    @Test(
        arguments: [
            (1, 30_000), (65, 30_000), (66, 30_000), (65_535, 30_000), (65_536, 30_000), (16 << 20, 30_000),
        ] as [(Int, Int64)])
    func `What comes at once and then stands still has the time of a stall`(_ arrived: Int, _ deadline: Int64) {
        let patience = FramePatience(arrived: arrived, now: 0)
        #expect(patience.deadline(stallMillis: Self.stall) == deadline)
        #expect(patience.sentence(stallMillis: Self.stall, now: deadline).contains("nothing of it came"))
    }

    /// One byte more after 29 s: what has come before buys time, around each second of it and up to the stall.
    @Test(
        arguments: [
            (1, 30_000), (65, 30_001), (65_535, 31_000), (65_536, 31_000), (28 * 65_536, 58_000), (29 * 65_536, 59_000),
            (30 * 65_536, 59_000), (16 << 20, 59_000),
        ] as [(Int, Int64)])
    func `Only bytes that have come buy time`(_ arrived: Int, _ deadline: Int64) {
        var patience = FramePatience(arrived: arrived, now: 0)
        patience.received(arrived + 1, now: 29_000)
        #expect(patience.deadline(stallMillis: Self.stall) == deadline)
    }

    /// However it comes, a frame is held no longer than stall and bytes are worth, and one that keeps the rate passes.
    @Test func `A frame of any size and rate`() {
        for length in [1, 1000, 65_536, 1 << 20, 16 << 20] {
            for rate in [1, 100, 32 << 10, 65_535, 65_536, 65_537, 1 << 20] {
                for step in [1, 10, 1000, 29_999] as [Int64] {
                    var patience = FramePatience(arrived: min(length, 1), now: 0)
                    var now: Int64 = 0
                    var arrived = 1
                    while arrived < length, now + step < patience.deadline(stallMillis: Self.stall) {
                        now += step
                        arrived = min(length, max(arrived + 1, Int(now) * rate / 1000))
                        patience.received(arrived, now: now)
                    }
                    #expect(now <= Self.stall + Int64(length) * 1000 / 65_536, "\(length) at \(rate) by \(step) ms")
                    let isDue = length * 1000 / rate <= 29_000 || (rate >= 65_536 && step <= 1000)
                    #expect(!isDue || arrived == length, "\(length) at \(rate) by \(step) ms: \(arrived)")
                }
            }
        }
    }
}
