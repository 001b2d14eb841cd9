// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirConsumer

/// What is asked of all leases at once is kept in step with each of them.
@Suite("Held leases") struct HeldLeasesTests {
    private static let stages: [HeldLease.Stage] = [
        .running, .stopping(.shutdown), .stopping(.handOver), .settling(handsOver: true), .settling(handsOver: false),
        .handingOver, .resting(.stopped), .resting(.failed), .lost(WeirError(.leaseLost, "")),
    ]

    private static func lease(_ shard: ShardNumber) -> HeldLease {
        HeldLease(
            LeaseKey(shard: shard, counter: 1, life: 1),
            AssignedLease(shard: shard, counter: 1, checkpoint: .trimHorizon, isToBeHandedOver: false))
    }

    @Test("Counts and the next time are those of the leases, whatever happened", arguments: 0..<200 as Range<UInt64>)
    func counts(seed: UInt64) {
        var random = Dice(seed: seed)
        var leases = HeldLeases()
        var naive: [ShardNumber: HeldLease] = [:]
        for step in 0..<80 as Range<UInt64> {
            let shard = ShardNumber(UInt32(random.next() % 6))
            switch random.next() % 6 {
            case 0:
                leases[shard] = Self.lease(shard)
                naive[shard] = Self.lease(shard)
            case 1:
                leases[shard] = nil
                naive[shard] = nil
            case 2:
                let at = random.next() % 3 == 0 ? nil : random.next() % 50
                leases[shard]?.saveAgainAt = at
                naive[shard]?.saveAgainAt = at
            case 3:
                let at = random.next() % 3 == 0 ? nil : random.next() % 50
                leases[shard]?.handOverAgainAt = at
                naive[shard]?.handOverAgainAt = at
            case 4 where random.next() % 8 == 0:
                leases.removeAll()
                naive.removeAll()
            default:
                let stage = Self.stages[Int(random.next() % UInt64(Self.stages.count))]
                leases[shard]?.stage = stage
                naive[shard]?.stage = stage
            }
            let all = Array(naive.values)
            let wanted = HeldLeases.Counts(
                usable: all.count(where: \.isUsable), busy: all.count(where: \.isBusy),
                resting: all.count { if case .resting = $0.stage { true } else { false } },
                failed: all.count { $0.stage == .resting(.failed) })
            #expect(leases.counts == wanted, "seed \(seed), step \(step)")
            #expect(leases.count == naive.count && leases.shards == naive.keys.sorted())
            let times = all.flatMap { [$0.saveAgainAt, $0.handOverAgainAt] }.compactMap { $0 }
            // It may be too early, until somebody looks, and never too late.
            if let first = times.min() { #expect((leases.againAt ?? .max) <= first, "seed \(seed), step \(step)") }
            if random.next() % 4 == 0 {
                leases.settleTimes()
                #expect(leases.againAt == times.min(), "seed \(seed), step \(step)")
            }
        }
    }

    private struct Dice {
        var state: UInt64
        init(seed: UInt64) { self.state = seed &* 2 + 1 }
        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return self.state >> 33
        }
    }
}
