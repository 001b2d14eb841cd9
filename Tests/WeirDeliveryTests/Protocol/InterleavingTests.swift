// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirConsumer
import WeirDelivery
import WeirModel

/// Holders of a lease, killed, replaced and going on after they were replaced, whose effects come in any order: each
/// record is in exactly one file.
@Suite struct InterleavingTests {
    private static func rules(_ world: World, _ dice: inout Seeded) throws -> DeliveryProtocol.Rules {
        let files = DeliveryMachine.Settings(
            fileBytes: UInt64.random(in: 1...40, using: &dice), measure: .input,
            fileNanos: Bool.random(using: &dice) ? 0 : .max / 4, openMax: Int.random(in: 1...4, using: &dice),
            activeMax: 3, intentMax: Int.random(in: 1...3, using: &dice))
        var rules = DeliveryProtocol.Rules(
            stream: try StreamName("s"), streamTag: "7.a", application: try ApplicationName("deliver"),
            shard: Samples.shard, pattern: try PrefixPattern(World.patterns[Int.random(in: 0..<3, using: &dice)]),
            compression: .none, files: files)
        rules.steps = world.steps
        rules.heedsIntents = world.heedsIntents
        return rules
    }

    /// What is wrong after a history.
    private static func history(_ seed: UInt64, _ change: (inout World) -> Void = { _ in }) throws -> String? {
        var dice = Seeded(seed)
        let seconds = Int.random(in: 1...6, using: &dice)
        var world = World(
            (0..<Int.random(in: 1...40, using: &dice)).map { _ in
                Int64.random(in: 0..<Int64(seconds), using: &dice) * 1000
            })
        change(&world)
        func holder(_ leaving: World.Leaving, _ dice: inout Seeded) throws -> SteppedHolder {
            SteppedHolder(
                world, try Self.rules(world, &dice), batch: Int.random(in: 1...9, using: &dice), leaving,
                seed: dice.next())
        }
        var holders: [SteppedHolder] = []
        for _ in 0..<Int.random(in: 0...400, using: &dice) {
            switch Int.random(in: 0..<100, using: &dice) {
            case 0...1 where holders.count < 3:
                let leaving = [World.Leaving.endsShard, .finishes, .vanishes][Int.random(in: 0..<3, using: &dice)]
                holders.append(try holder(leaving, &dice))
            case 2 where !holders.isEmpty: holders.remove(at: Int.random(in: 0..<holders.count, using: &dice))
            case 3 where Int.random(in: 0..<3, using: &dice) == 0:
                holders = []
                world.folder.cutPower(&dice)
            case 4 where Int.random(in: 0..<8, using: &dice) == 0: world.folder.removeUnfinished()
            default:
                guard let holder = holders.randomElement(using: &dice) else { continue }
                _ = holder.step()
            }
        }
        // What somebody leaves who goes on behind the end of the shard, nobody looks for.
        let isEnded = world.book.now.checkpoint == .shardEnd
        // The last one does all that is left. Nothing is lost any more that would make it begin anew.
        for _ in 0..<3 {
            let last = try holder(.endsShard, &dice)
            while last.step() {}
            if case .beginsAnew? = last.end { continue }
            break
        }
        return world.faults ?? (isEnded || world.folder.unfinishedCount == 0 ? nil : "unfinished files are left")
    }

    @Test func `Holders whose effects come in any order`() throws {
        let fresh = UInt64.random(in: 1_000_000...(.max / 2))
        for seed in Array(0..<1500) + Array(fresh..<fresh + 300) {
            let faults = try Self.history(seed)
            #expect(faults == nil, "seed \(seed)")
        }
    }

    @Test(
        arguments: [
            [.sync, .names, .intent, .commit], [.sync, .intent, .commit, .names], [.sync, .names, .commit],
        ] as [[NamingStep]])
    func `Another order of the steps is caught`(_ steps: [NamingStep]) throws {
        #expect(try (0..<4000).contains { try Self.history($0) { $0.steps = steps } != nil })
    }

    @Test func `Whoever ignores an intent is caught`() throws {
        #expect(try (0..<4000).contains { try Self.history($0) { $0.heedsIntents = false } != nil })
    }
}
