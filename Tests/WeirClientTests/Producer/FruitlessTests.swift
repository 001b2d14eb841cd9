// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

/// Whatever a server and a network do, as long as no record is acknowledged: the records fail in time, what is stored
/// in vain is stored a bounded number of times, and whoever waits is told.
@Suite struct FruitlessTests {
    typealias Behaviour = FruitlessWorld.Behaviour
    private static let keys = ["key-0", "key-1", "key-2"]
    /// By the pauses of connecting and of refusals, in 30 s: 20 ms and doubled up to 2 s, or 50 ms that the server
    /// names.
    private static let triesMax = 700

    private func world(
        timeout: Duration?, progress: Duration?, seed: UInt64 = 1, limitMillis: UInt64,
        _ behaviour: (inout SeededGenerator) -> Behaviour
    ) throws -> FruitlessWorld {
        var world = FruitlessWorld(
            ProducerConfiguration(timeout: timeout, progressTimeout: progress, groupRecordsMin: 1), seed: seed)
        try world.submit(Self.keys)
        world.run(limit: limitMillis * FruitlessWorld.milli, behaviour)
        return world
    }

    private func millis(_ world: FruitlessWorld) -> UInt64 {
        (world.endedAt - min(world.endedAt, FruitlessWorld.start)) / FruitlessWorld.milli
    }

    /// Without an answer only silence can end it, and where nobody listens there is nothing but silence.
    private static let silent: Set<Behaviour> = [.putUnanswered, .listUnanswered, .nobodyListens]

    @Test(arguments: Behaviour.allCases.filter { !Self.silent.contains($0) })
    func theBoundOfProgressEndsIt(_ behaviour: Behaviour) throws {
        let world = try self.world(timeout: nil, progress: .seconds(5), limitMillis: 60_000) { _ in behaviour }
        #expect(world.failures.count == Self.keys.count)
        // The longest pause may pass before the last record comes back.
        #expect((5_000...7_100).contains(self.millis(world)), "after \(self.millis(world)) ms")
        #expect(world.puts <= 110 && world.connects <= 16 && world.lists <= 30, "\(world)")
        #expect(world.failures.allSatisfy { $0.message.contains("; nothing was ") }, "\(world.failures)")
        let isSent = world.puts > 0
        #expect(world.failures.allSatisfy { isSent || !$0.verdict.maybeStored })
        #expect(world.notices.count == 1, "\(world.notices)")
    }

    /// Those in which the server answers with nothing but a greeting.
    @Test(arguments: [
        Behaviour.nobodyListens, .cutAfterHello, .cutAtList, .listUnanswered, .cutAtPut, .wrongAnswer, .putUnanswered,
    ])
    func theTimeOfSilenceEndsIt(_ behaviour: Behaviour) throws {
        let world = try self.world(timeout: .seconds(5), progress: nil, limitMillis: 60_000) { _ in behaviour }
        #expect(world.failures.count == Self.keys.count)
        #expect((5_000...7_100).contains(self.millis(world)), "after \(self.millis(world)) ms")
        #expect(world.failures.allSatisfy { $0.code == .timedOut })
        #expect(world.puts <= 16 && world.connects <= 16)
        let why =
            switch behaviour {
            case .nobodyListens: "nobody listens"
            case .cutAfterHello: "cut after Hello"
            case .cutAtList: "cut at the list"
            case .cutAtPut: "cut at the put"
            case .wrongAnswer: "the server does not keep to the protocol"
            default: "has not answered for 5000 ms"
            }
        #expect(world.failures.allSatisfy { $0.message.contains(why) }, "\(world.failures)")
    }

    /// Around the second after which it is told, and the pauses of connecting.
    @Test(arguments: [1, 19, 20, 21, 200, 999, 1000, 1001, 1999, 2000, 2001, 3000, 30_000] as [UInt64])
    func cutConnectionsEndInTimeAndAreToldOnce(_ patience: UInt64) throws {
        let world = try self.world(
            timeout: nil, progress: .milliseconds(Int64(patience)), limitMillis: 100_000
        ) { _ in .cutAtPut }
        #expect((patience...patience + 2_100).contains(self.millis(world)), "after \(self.millis(world)) ms")
        #expect(world.failures.count == Self.keys.count)
        for error in world.failures {
            #expect(error.code == .unavailable && error.verdict.maybeStored)
            #expect(error.message.contains("cut at the put; nothing was acknowledged for "))
        }
        #expect(world.puts <= 8 + Int(patience) / 1000, "stored \(world.puts) times in \(patience) ms")
        #expect(world.notices.count == (patience >= 1000 ? 1 : 0), "\(world.notices) in \(patience) ms")
    }

    @Test(arguments: 0..<8)
    func anyMixtureEndsInTime(_ block: UInt64) throws {
        for seed in block * 50..<(block + 1) * 50 {
            var some: [Behaviour] = []
            let world = try self.world(
                timeout: .seconds(10), progress: .seconds(30), seed: seed, limitMillis: 200_000
            ) { dice in
                // A few kinds at a time, or silence would end them all.
                if some.isEmpty {
                    for _ in 0...dice.below(4) { some.append(Behaviour.allCases[dice.below(Behaviour.allCases.count)]) }
                }
                return some[dice.below(some.count)]
            }
            #expect(world.failures.count == Self.keys.count, "seed \(seed): \(some)")
            // What is under way when the bound is reached is waited for, at most until the server has been silent.
            #expect(self.millis(world) <= 42_200, "seed \(seed): \(some), after \(self.millis(world)) ms")
            #expect(world.puts + world.lists + world.connects <= 3 * Self.triesMax, "seed \(seed): \(some)")
            let codes = world.notices.map { if case .heldBack(let error) = $0 { error.code.name } else { "goes on" } }
            #expect(Set(codes).count == codes.count && !codes.contains("goes on"), "seed \(seed): \(codes)")
        }
    }

    /// A connection that ends while nobody waits is nobody's trouble.
    @Test func whoeverComesAfterwardsHasAllTheTime() throws {
        var world = try self.world(timeout: .seconds(5), progress: .seconds(5), limitMillis: 60_000) { _ in .cutAtPut }
        let first = self.millis(world)
        #expect(world.failures.count == 3)
        for _ in 0..<5 { world.machine.connectionLost(WeirError(.unavailable, "idle"), now: world.now) }
        try world.submit(["key-9"])
        world.run(limit: 60_000 * FruitlessWorld.milli) { _ in .cutAtPut }
        #expect(world.failures.count == 4)
        #expect((5_000...7_100).contains(self.millis(world) - first), "\(first) and then \(self.millis(world)) ms")
    }
}
