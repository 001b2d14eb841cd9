// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirConsumer

@Suite("What heartbeats say of rates")
struct DeliveryRatesTests {
    private static let step = DeliveryRates.shortestNanos

    @Test("Shards whose rate stays are not named again and again", arguments: [1, 300, 3000, 10_000])
    func steady(_ count: Int) {
        var rates = DeliveryRates()
        var named: [Int] = []
        for beat in 0..<20 as Range<UInt64> {
            for shard in 0..<count { rates.add(ShardNumber(UInt32(shard)), bytes: UInt64(shard) * 10) }
            named.append(rates.measure(now: beat * Self.step).count)
        }
        #expect(named[1] == count)
        #expect(named.suffix(8).allSatisfy { $0 == 0 }, "\(named)")
    }

    @Test("What the server makes of it comes near to what was measured, also when a heartbeat is lost")
    func converges() {
        for seed in 1...200 as ClosedRange<UInt64> {
            var dice = seed
            func roll(_ bound: UInt64) -> UInt64 {
                dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (dice >> 33) % bound
            }
            var rates = DeliveryRates()
            var known: UInt64?
            var now: UInt64 = 0
            var rate: UInt64 = 0
            _ = rates.measure(now: now)
            for _ in 0..<3 {
                rate = roll(2) == 0 ? 0 : roll(10_000_000)
                let lost = roll(6)
                for beat in 0..<12 as Range<UInt64> {
                    now += Self.step
                    rates.add(ShardNumber(0), bytes: rate / 2)
                    let said = rates.measure(now: now).first?.bytesPerSecond
                    if beat == lost {
                        rates.tellAgain()
                    } else if let said {
                        known = known.map { $0 / 2 + said / 2 } ?? said
                    }
                }
                let found = known ?? 0
                let allowed = max(DeliveryRates.indifferent, rate / 8) + 10_000_000 / 16
                #expect(max(found, rate) - min(found, rate) <= allowed, "seed \(seed): \(found), not \(rate)")
            }
        }
    }
}
