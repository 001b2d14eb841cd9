// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery

/// Whoever is killed or stopped at whatever step: each record is in exactly one file.
@Suite struct CrashTests {
    enum Crash: String, CaseIterable, Sendable {
        case kill
        case powerCut
    }

    private static func world() -> World { World.mixed(24, seconds: 4) }

    private func steps() async throws -> Int {
        let (world, fuse) = (Self.world(), Fuse(at: nil))
        try await world.deliver(fuse)
        #expect(world.faults == nil)
        #expect(world.folder.unfinishedCount == 0)
        #expect(world.book.now.checkpoint == .shardEnd)
        return fuse.steps
    }

    /// Returns what is wrong afterwards. Whoever comes later gets other batches and wants other sizes, and so would cut
    /// files elsewhere.
    private func crash(_ world: World, at step: Int, _ crash: Crash, again: Int? = nil) async throws -> String? {
        var dice = Seeded(UInt64(step) &* 31 &+ UInt64(again ?? 0))
        try? await world.deliver(Fuse(at: step))
        var later = world
        later.files.fileBytes = 8
        later.files.openMax = 4
        if crash == .powerCut { world.folder.cutPower(&dice) }
        if let again {
            try? await later.deliver(Fuse(at: again), batch: 4)
            if crash == .powerCut { world.folder.cutPower(&dice) }
        }
        later.files.fileBytes = 15
        try await later.deliver(Fuse(at: nil), batch: 5)
        return world.faults ?? (world.folder.unfinishedCount == 0 ? nil : "unfinished files are left")
    }

    @Test(arguments: Crash.allCases) func `A crash before any step`(_ kind: Crash) async throws {
        let steps = try await self.steps()
        #expect(steps > 60)
        for step in 1...steps {
            let faults = try await self.crash(Self.world(), at: step, kind)
            #expect(faults == nil, "step \(step)")
        }
    }

    @Test(arguments: Crash.allCases) func `A crash before any step, and another one while that is repaired`(
        _ kind: Crash
    ) async throws {
        let steps = try await self.steps()
        for step in stride(from: 1, through: steps, by: 3) {
            for again in 1...24 {
                let faults = try await self.crash(Self.world(), at: step, kind, again: again)
                #expect(faults == nil, "step \(step), then \(again)")
            }
        }
    }

    @Test func `A worker that is stopped before any step, loses its lease, and goes on when another has done all`()
        async throws
    {
        let steps = try await self.steps()
        for step in 1...steps {
            let (world, fuse) = (Self.world(), Fuse(at: step, .pauses))
            async let zombie: Void? = try? await world.deliver(fuse)
            await fuse.paused()
            try await world.deliver(Fuse(at: nil))
            fuse.goOn()
            _ = await zombie
            #expect(world.faults == nil, "step \(step)")
        }
    }

    @Test func `A worker that goes on while its successor works`() async throws {
        let steps = try await self.steps()
        for step in stride(from: 1, through: steps, by: 2) {
            for second in stride(from: 1, through: 30, by: 3) {
                let (world, first, next) = (Self.world(), Fuse(at: step, .pauses), Fuse(at: second, .pauses))
                async let zombie: Void? = try? await world.deliver(first)
                await first.paused()
                async let successor: Void? = try? await world.deliver(next)
                await next.paused()
                first.goOn()
                _ = await zombie
                next.goOn()
                _ = await successor
                try await world.deliver(Fuse(at: nil))
                #expect(world.faults == nil, "step \(step), and \(second)")
            }
        }
    }

    // MARK: Broken on purpose

    private func isCaught(_ change: (inout World) -> Void) async throws -> Bool {
        for step in 1...(try await self.steps()) {
            for kind in Crash.allCases {
                var world = Self.world()
                change(&world)
                if try await self.crash(world, at: step, kind) != nil { return true }
            }
        }
        return false
    }

    @Test(
        arguments: [
            [.sync, .names, .intent, .commit], [.sync, .intent, .commit, .names], [.sync, .names, .commit],
        ] as [[NamingStep]])
    func `Another order of the steps is caught`(_ steps: [NamingStep]) async throws {
        #expect(try await self.isCaught { $0.steps = steps })
    }

    @Test func `Whoever ignores an intent is caught`() async throws {
        #expect(try await self.isCaught { $0.heedsIntents = false })
    }

    // MARK: At random

    /// What is wrong after a history of workers that are killed, stop, give up, or are told to deliver otherwise.
    private func history(_ seed: UInt64) async throws -> String? {
        var dice = Seeded(seed)
        let seconds = Int.random(in: 1...9, using: &dice)
        let count = Int.random(in: 1...60, using: &dice)
        var world = World((0..<count).map { _ in Int64.random(in: 0..<Int64(seconds), using: &dice) * 1000 })
        for _ in 0..<Int.random(in: 0...6, using: &dice) {
            world.files = DeliveryMachine.Settings(
                fileBytes: UInt64.random(in: 1...40, using: &dice),
                measure: Bool.random(using: &dice) ? .input : .compressed,
                fileNanos: Bool.random(using: &dice) ? 0 : .max / 4, openMax: Int.random(in: 1...4, using: &dice),
                activeMax: Int.random(in: 1...3, using: &dice), intentMax: Int.random(in: 1...3, using: &dice))
            world.pattern = World.patterns[Int.random(in: 0..<World.patterns.count, using: &dice)]
            let fuse = Fuse(at: Bool.random(using: &dice) ? Int.random(in: 1...80, using: &dice) : nil)
            try? await world.deliver(
                fuse, batch: Int.random(in: 1...9, using: &dice), calls: Int.random(in: 0...12, using: &dice),
                Bool.random(using: &dice) ? .finishes : .vanishes)
            if Bool.random(using: &dice) { world.folder.cutPower(&dice) }
            // Somebody tidies up: what an intent names has to be made again.
            if Int.random(in: 0..<4, using: &dice) == 0 { world.folder.removeUnfinished() }
        }
        try await world.deliver(Fuse(at: nil), batch: 7)
        return world.faults ?? (world.folder.unfinishedCount == 0 ? nil : "unfinished files are left")
    }

    /// Without the end of the shard, behind which nothing may come for long.
    @Test func `What is made again is finished though nothing comes, and a run that ends leaves nothing behind`()
        async throws
    {
        for step in 1...(try await self.steps()) {
            let world = Self.world()
            try? await world.deliver(Fuse(at: step), .vanishes)
            world.folder.removeUnfinished()
            try await world.deliver(Fuse(at: nil), .finishes)
            #expect(world.faults == nil && world.folder.unfinishedCount == 0, "step \(step)")
            // Nothing is to be read again.
            if case .sequenceNumber(let number, _) = world.book.now.checkpoint {
                #expect(number.index == UInt64(world.records.count - 1), "step \(step)")
            } else {
                Issue.record("step \(step): no checkpoint")
            }
        }
    }

    @Test func `Crashes, hand-overs and changes at random`() async throws {
        let fresh = UInt64.random(in: 1_000_000...(.max / 2))
        // The first: the state was told to forget what lay behind a checkpoint that had not moved yet.
        for seed: UInt64 in [3_223_927_273_682_978_964] + Array(0..<2000) + Array(fresh..<fresh + 200) {
            let faults = try await self.history(seed)
            #expect(faults == nil, "seed \(seed)")
        }
    }
}
