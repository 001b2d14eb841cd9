// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing
import WeirCatalog
import WeirModel

/// A small generator whose whole history is its seed.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var z = self.state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}

enum Seeds {
    /// `WEIR_SEED` alone; or three fixed ones and as many fresh ones as `WEIR_SEEDS` says, by default one. A test
    /// prints its seed.
    static let all: [UInt64] = {
        if let seed = number("WEIR_SEED") { return [seed] }
        return [1, 2, 3] + (0..<(number("WEIR_SEEDS") ?? 1)).map { _ in .random(in: 4...(.max)) }
    }()

    private static func number(_ variable: String) -> UInt64? {
        getenv(variable).flatMap { UInt64(String(cString: $0)) }
    }
}

@Suite("Any history")
struct PropertyTests {
    @Test(
        "Rules hold, replays agree and numbers rise, whatever is asked and whatever the clock does",
        arguments: Seeds.all)
    func anyHistory(seed: UInt64) throws {
        print("catalog history of seed \(seed)")
        var history = RandomHistory(seed: seed)
        for _ in 0..<300 { try history.step() }
        #expect(history.node.history.count > 60, "too little happened")
        try history.checkReplays()
    }
}

/// Asks a node at random, under a clock that jumps, and audits it after every command.
struct RandomHistory {
    private(set) var node = TestNode(bounds: .init(streamsMax: 4, openShardsMax: 60, listedShardsMax: 400))
    private var random: SplitMix64
    /// Snapshots with the number of events before them.
    private var snapshots: [(events: Int, bytes: [UInt8])] = []
    /// The greatest number given out in a shard or any of its ancestors.
    private var greatest: [ShardRef: SequenceNumber] = [:]

    init(seed: UInt64) { self.random = SplitMix64(seed: seed) }

    mutating func step() throws {
        self.moveClock()
        let before = self.node.catalog
        for _ in 0..<self.random.below(4) { try self.append() }
        for command in self.commands() {
            do {
                try self.node.run(command)
            } catch let error as WeirError {
                #expect(error.code != .internalFailure, "\(command): \(error)")
            }
        }
        try self.node.catalog.checkInvariants()
        try self.node.catalog.checkSuccession(of: before)
        try self.checkListings()
        if self.random.below(30) == 0 {
            self.snapshots.append((self.node.history.count, self.node.catalog.encodeSnapshot()))
        }
        if self.random.below(100) == 0 { try self.checkReplays() }
    }

    /// From scratch, and from each snapshot with the events after it: always the same bytes.
    func checkReplays() throws {
        let bytes = self.node.catalog.encodeSnapshot()
        #expect(try self.node.replayed().encodeSnapshot() == bytes)
        for (events, snapshot) in self.snapshots {
            let start = try Catalog(bytes: snapshot)
            #expect(start.encodeSnapshot() == snapshot)
            #expect(try self.node.replayed(from: start, skipping: events).encodeSnapshot() == bytes)
        }
    }

    private mutating func moveClock() {
        switch self.random.below(10) {
        case 0: self.node.nowMillis -= Int64(self.random.below(3 * Int(TestNode.day)))
        case 1: self.node.nowMillis += Int64(self.random.below(3 * Int(TestNode.day)))
        case 2...5: self.node.nowMillis += Int64(self.random.below(5000))
        default: break
        }
    }

    private mutating func commands() -> [CatalogCommand] {
        let streams = self.node.catalog.streams(after: nil, limit: .max)
        guard let stream = streams.randomElement(using: &self.random), self.random.below(12) > 0 else {
            return self.creation().map { [$0] } ?? []
        }
        let id = stream.id
        let position = self.random.below(stream.map.shards.count)
        let shard = stream.map.shards[position].number
        let neighbour = stream.map.shards[min(position + 1, stream.map.shards.count - 1)].number
        switch self.random.below(20) {
        case 0: return [.updateStream(id, self.changes())]
        case 1: return [.trimStream(id, beforeMillis: self.node.nowMillis - Int64(self.random.below(10_000_000)))]
        case 2: return self.random.below(4) == 0 ? [.deleteStream(id)] : []
        case 3...6: return [.splitShard(id, shard, at: nil)]
        case 7: return [.splitShard(id, shard, at: HashKey(.random(in: 0...UInt128.max, using: &self.random)))]
        case 8...11: return [.mergeShards(id, shard, neighbour)]
        case 12: return [.mergeShards(id, neighbour, shard)]
        case 13...14: return [.rescale(id, to: 1 + self.random.below(24))]
        case 15:
            return [.raiseHorizon(id, toMillis: self.node.nowMillis - Int64(self.random.below(100_000_000)))]
        case 16:
            let numbers = stream.shards.filter { _ in self.random.below(3) == 0 }.map(\.number)
            return [.expireShards(id, numbers)]
        default: return self.node.catalog.expirable(nowMillis: self.node.nowMillis)
        }
    }

    private mutating func creation() -> CatalogCommand? {
        guard let name = try? StreamName("stream-\(self.random.below(6))") else { return nil }
        return .createStream(
            name: name, shards: 1 + self.random.below(12),
            settings: StreamSettings(retentionMillis: TestNode.hour * Int64(1 + self.random.below(60))))
    }

    private mutating func changes() -> StreamChanges {
        StreamChanges(
            retentionMillis: Bool.random(using: &self.random) ? TestNode.hour * Int64(self.random.below(60)) : nil,
            maxBytes: Bool.random(using: &self.random) ? .some(nil) : 1 << 30,
            limits: Bool.random(using: &self.random) ? .open : nil)
    }

    /// Puts records where a random key belongs, and holds the first and the last number against the lineage.
    private mutating func append() throws {
        let streams = self.node.catalog.streams(after: nil, limit: .max)
        guard let stream = streams.randomElement(using: &self.random) else { return }
        let key = HashKey(.random(in: 0...UInt128.max, using: &self.random))
        let shard = stream.map.shard(for: key)
        #expect(shard.range.contains(key) && shard.isOpen)
        let ref = ShardRef(stream: stream.id, shard: shard.number)
        let count = UInt64(1 + self.random.below(100))
        for index in [self.node.nextIndex(ref), self.node.nextIndex(ref) + count - 1] {
            try self.giveOut(
                SequenceNumber(
                    shardCreationSecond: shard.creationSecond, shard: shard.number, index: index,
                    arrivalSecond: UInt64(max(0, self.node.nowMillis)) / 1000), in: ref)
        }
        self.node.append(count, to: shard.number.rawValue, of: stream.id)
    }

    private mutating func giveOut(_ number: SequenceNumber, in ref: ShardRef) throws {
        if let last = self.greatest[ref], last != number {
            #expect(last < number, "\(number) in \(ref) follows \(last)")
            // Readers compare the decimal text as numbers; all have 56 digits.
            #expect(last.description < number.description)
        }
        self.greatest[ref] = number
    }

    /// A shard that is seen for the first time starts above all that its ancestors gave out or may claim as their end.
    private mutating func inherit(_ shard: ShardDescription, in stream: StreamState) throws {
        let ref = ShardRef(stream: stream.id, shard: shard.number)
        guard self.greatest[ref] == nil else { return }
        for parent in shard.parents.compactMap({ stream.shard($0) }) {
            let ending = try #require(parent.endingSequenceNumber)
            #expect(ending < shard.startingSequenceNumber)
            let last = self.greatest[ShardRef(stream: stream.id, shard: parent.number)] ?? ending
            self.greatest[ref] = max(self.greatest[ref] ?? ending, ending, last)
        }
    }

    /// Every listing that must cover every key does, at any time.
    private mutating func checkListings() throws {
        for stream in self.node.catalog.streams(after: nil, limit: .max) {
            let times = [0, stream.horizonMillis, self.node.nowMillis, .max] + stream.shards.map(\.createdAtMillis)
            let time = times.randomElement(using: &self.random) ?? 0
            for filter in [.atLatest, .atTrimHorizon, .atTimestamp(time), .atTimestamp(time - 1)] as [ShardFilter] {
                let ranges = stream.shards(filter).map(\.range).sorted { $0.lower < $1.lower }
                #expect(ShardMap.tiles(ranges), "\(filter) of \(stream.name)")
            }
            for shard in stream.shards { try self.inherit(shard, in: stream) }
        }
    }
}
