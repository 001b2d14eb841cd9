// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine
import WeirModel

@Suite struct OrderedPutsTests {
    private let shard = ShardRef(stream: StreamID(1), shard: ShardNumber(1))
    private let other = ShardRef(stream: StreamID(1), shard: ShardNumber(2))

    private func admits(
        _ puts: inout OrderedPuts, _ shard: ShardRef, _ sequence: UInt64, seenThrough: UInt64,
        ancestors: [ShardNumber] = []
    ) throws(WeirError) -> Bool {
        try puts.begin(sequence: sequence, seenThrough: seenThrough)
        return puts.mayAdmit(shard, sequence: sequence, seenThrough: seenThrough, ancestors: { ancestors })
    }

    @Test func `After a refusal everything of the shard is refused until the client has seen all refusals`() throws {
        var puts = OrderedPuts()
        #expect(try self.admits(&puts, self.shard, 4, seenThrough: 0))
        #expect(try self.admits(&puts, self.shard, 5, seenThrough: 4))
        puts.refused(self.shard, sequence: 5)
        #expect(try !self.admits(&puts, self.shard, 6, seenThrough: 4))
        puts.refused(self.shard, sequence: 6)
        // Sent again when only the first refusal had come.
        #expect(try !self.admits(&puts, self.shard, 7, seenThrough: 5))
        puts.refused(self.shard, sequence: 7)
        #expect(try self.admits(&puts, self.shard, 8, seenThrough: 7))
        #expect(puts.count == 0)
    }

    @Test func `Other shards, and the same number in other streams, go on`() throws {
        var puts = OrderedPuts()
        try puts.begin(sequence: 1, seenThrough: 0)
        puts.refused(self.shard, sequence: 1)
        #expect(try self.admits(&puts, self.other, 2, seenThrough: 0))
        #expect(try self.admits(&puts, .init(stream: StreamID(2), shard: self.shard.shard), 3, seenThrough: 0))
        #expect(!puts.mayAdmit(self.shard, sequence: 3, seenThrough: 0))
    }

    @Test func `Behind the first refused record of a put the rest of its shard is refused`() throws {
        var puts = OrderedPuts()
        #expect(try self.admits(&puts, self.shard, 1, seenThrough: 0))
        puts.refused(self.shard, sequence: 1)
        #expect(!puts.mayAdmit(self.shard, sequence: 1, seenThrough: 0), "a second group of the same put")
    }

    @Test func `A refusal counts for the shards that took over the keys`() throws {
        var puts = OrderedPuts()
        try puts.begin(sequence: 1, seenThrough: 0)
        puts.refused(self.shard, sequence: 1)
        let parent = [self.shard.shard]
        #expect(try !self.admits(&puts, self.other, 2, seenThrough: 0, ancestors: parent))
        #expect(try self.admits(&puts, self.other, 3, seenThrough: 2, ancestors: parent))
    }

    @Test func `A put that nobody looked at holds back every shard`() throws {
        var puts = OrderedPuts()
        #expect(try self.admits(&puts, self.shard, 5, seenThrough: 4))
        puts.skipped()
        #expect(try !self.admits(&puts, self.other, 8, seenThrough: 5))
        #expect(try !self.admits(&puts, self.shard, 9, seenThrough: 6), "the skipped one may have been 7")
        #expect(try self.admits(&puts, self.shard, 10, seenThrough: 7))
    }

    @Test func `A commit that failed counts as a refusal of what was in it`() throws {
        var puts = OrderedPuts()
        #expect(try self.admits(&puts, self.shard, 1, seenThrough: 0))
        #expect(try self.admits(&puts, self.shard, 2, seenThrough: 0))
        puts.refused(self.shard, sequence: 2)
        puts.refused(self.shard, sequence: 1)
        #expect(try !self.admits(&puts, self.shard, 3, seenThrough: 1))
        #expect(try self.admits(&puts, self.shard, 4, seenThrough: 3))
    }

    @Test(arguments: [
        (UInt64(0), UInt64(0)), (9, 8), (10, 9), (11, 11), (11, 12), (11, 3), (UInt64.max, UInt64.max),
    ])
    func `Sequences rise and what was seen does not fall`(_ sequence: UInt64, _ seenThrough: UInt64) throws {
        var puts = OrderedPuts()
        try puts.begin(sequence: 10, seenThrough: 4)
        let before = puts
        let error = #expect(throws: WeirError.self) { try puts.begin(sequence: sequence, seenThrough: seenThrough) }
        #expect(error?.code == .invalidArgument)
        #expect(puts == before)
        #expect(throws: Never.self) { try puts.begin(sequence: .max, seenThrough: .max - 1) }
    }

    /// Also of shards that do not exist, which a client names as it likes.
    @Test func `However many shards refuse, what is kept has a bound and every order holds`() throws {
        var puts = OrderedPuts()
        let most = OrderedPuts.shardsMax
        for sequence in 1...UInt64(3 * most) {
            try puts.begin(sequence: sequence, seenThrough: 0)
            let shard = ShardRef(stream: StreamID(1), shard: ShardNumber(UInt32(sequence)))
            // Behind the bound all shards wait for the client to see what was refused.
            let isBelow = sequence <= UInt64(most) + 1
            #expect(puts.mayAdmit(shard, sequence: sequence, seenThrough: 0) == isBelow, "\(sequence)")
            puts.refused(shard, sequence: sequence)
            #expect(puts.count <= most)
        }
        let last = UInt64(3 * most)
        #expect(try !self.admits(&puts, self.shard, last + 1, seenThrough: UInt64(most)))
        #expect(
            try !self.admits(
                &puts, .init(stream: StreamID(1), shard: ShardNumber(UInt32(last))), last + 2, seenThrough: last - 1))
        #expect(try self.admits(&puts, self.other, last + 3, seenThrough: last + 2))
        #expect(try self.admits(&puts, self.shard, last + 4, seenThrough: last + 2))
    }

    @Test func `Nothing is kept of refusals that were seen`() throws {
        var puts = OrderedPuts()
        for sequence in UInt64(1)...20_000 {
            try puts.begin(sequence: sequence, seenThrough: sequence - 1)
            puts.refused(.init(stream: StreamID(1), shard: ShardNumber(UInt32(sequence))), sequence: sequence)
            #expect(puts.count <= 128)
        }
    }

    @Test func `Whatever is refused, skipped, split or lost, every key keeps its order`() throws {
        let first = UInt64.random(in: 0 ... .max / 2)
        print("OrderedPutsTests seeds from \(first)")
        for seed in first..<first + 50 {
            var simulation = OrderedPutsSimulation(seed: seed)
            #expect(try simulation.run() == true, "seed \(seed)")
        }
    }

    @Test func `A server that does not ask is caught`() throws {
        let caught = try (UInt64(0)..<20).count { seed in
            var simulation = OrderedPutsSimulation(seed: seed, asksMayAdmit: false)
            return try simulation.run() == false
        }
        #expect(caught > 0)
    }

    @Test func `A server that forgets the ancestors is caught`() throws {
        let caught = try (UInt64(0)..<50).count { seed in
            var simulation = OrderedPutsSimulation(seed: seed, asksAncestors: false)
            return try simulation.run() == false
        }
        #expect(caught > 0)
    }
}
