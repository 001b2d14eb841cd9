// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite("Streams that are made anew")
struct IncarnationTests {
    /// A shard as sequence numbers name it.
    private struct Name: Hashable {
        let stream: StreamName
        let shard: ShardNumber
        let second: UInt64
    }

    @Test("No shard of a name has the number and the creation second of an earlier one, however quickly it comes back")
    func seconds() throws {
        let seed = UInt64.random(in: 0...(.max))
        for round in UInt64(0)..<60 {
            var random = Dice(seed &+ round)
            var node = TestNode()
            var seen: [Name: StreamID] = [:]
            for _ in 0..<80 {
                let name = try StreamName(["a", "b"][random.roll(2)])
                // Within a second, over it, or back.
                node.nowMillis += [0, 0, 0, 1, 999, 1000, 1001, -5000][random.roll(8)]
                if let stream = node.catalog.stream(named: name) {
                    let open = stream.map.shards
                    switch random.roll(5) {
                    case 0: try node.run(.deleteStream(stream.id))
                    case 3: try node.run(.renumber(stream.id))
                    case 1: try node.run(.splitShard(stream.id, open[random.roll(open.count)].number, at: nil))
                    case 2 where open.count > 1: try node.run(.mergeShards(stream.id, open[0].number, open[1].number))
                    default: try node.run(.rescale(stream.id, to: 1 + random.roll(4)))
                    }
                } else {
                    try node.create(name.description, shards: 1 + random.roll(3))
                }
                if random.roll(6) == 0 { node.catalog = try Catalog(bytes: node.catalog.encodeSnapshot()) }
                try node.catalog.checkInvariants()
                guard let stream = node.catalog.stream(named: name) else { continue }
                for shard in stream.shards {
                    let name = Name(stream: name, shard: shard.number, second: shard.creationSecond)
                    let owner = seen.updateValue(stream.id, forKey: name)
                    #expect(owner == nil || owner == stream.id, "\(name), seed \(seed &+ round)")
                }
            }
        }
    }

    @Test("Renumbering leaves every key with a shard that is new, and nothing else changes")
    func renumber() throws {
        var node = TestNode()
        let id = try node.create(shards: 3)
        node.append(5, to: 1, of: id)
        // Two shards of 1 and of 3 keys, which cannot be divided.
        try node.run(.splitShard(id, s(0), at: HashKey(3)))
        let before = try node.state(id)
        try node.run(.renumber(id))
        let after = try node.state(id)
        #expect(after.openRanges == before.openRanges)
        let kept = before.map.shards.filter { !$0.range.canBeSplit }.map(\.number)
        #expect(kept == [s(3)])
        #expect(Set(after.map.shards.map(\.number)).intersection(before.map.shards.map(\.number)) == Set(kept))
        #expect(after.map.shards.count { $0.firstIndex == 5 } == 1)
        try node.catalog.checkInvariants()
        #expect(try node.replayed().encodeSnapshot() == node.catalog.encodeSnapshot())
    }

    @Test("Without a deletion a stream is created in the second of its creation, many in one second")
    func sameSecond() throws {
        var node = TestNode()
        for number in 0..<50 {
            let id = try node.create("s\(number)")
            #expect(try node.shard(0, of: id).creationSecond == 1_700_000_000)
        }
    }

    @Test("When the last second that numbers hold was used and deleted, no stream is made any more")
    func lastSecond() throws {
        var node = TestNode()
        node.nowMillis = .max
        try node.run(.deleteStream(node.create()))
        #expect(
            error { try node.plan(.createStream(name: try StreamName("b"), shards: 1, settings: .init())) }?.code
                == .limitExceeded)
    }
}

private struct Dice {
    private var state: UInt64

    init(_ seed: UInt64) { self.state = seed }

    mutating func roll(_ sides: Int) -> Int {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((self.state >> 33) % UInt64(sides))
    }
}
