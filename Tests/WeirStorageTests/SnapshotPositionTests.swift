// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Where shards go on, as snapshots store it: a copy of a table that goes on changing while the file is written.
@Suite struct SnapshotPositionTests {
    /// Streams come and go, shards are split and get records, before a snapshot's commit, between it and the writing of
    /// the file, and behind that.
    private struct Life {
        let rig: LogRig
        var random: SplitMix64
        /// The index that each shard's next record gets.
        var ends: [ShardRef: UInt64] = [:]
        var name = 0

        init(seed: UInt64) throws {
            self.rig = try LogRig()
            self.random = SplitMix64(seed: seed)
        }

        mutating func change() throws {
            switch self.random.below(8) {
            case 0: try self.create(shards: self.random.pick([1, 2, 511, 512, 513]))
            case 1:
                guard let stream = self.anyStream(), self.streams.count > 1 else { return }
                try self.rig.submit(.deleteStream(stream.id))
                self.ends = self.ends.filter { $0.key.stream != stream.id }
            case 2...3:
                guard let stream = self.anyStream() else { return }
                let shard = self.random.pick(stream.map.shards).number
                guard self.random.chance(1, of: 2) else { return try self.split(stream.id, shard) }
                // The change is durable later than the next records.
                _ = try? self.rig.core.submit(.splitShard(stream.id, shard, at: nil), nowMillis: self.rig.now)
                self.noteChildren(of: stream.id)
            default:
                guard let stream = self.anyStream() else { return }
                for _ in 0..<self.random.pick([1, 5]) {
                    let ref = ShardRef(stream: stream.id, shard: self.random.pick(stream.map.shards).number)
                    let count = 1 + self.random.below(3)
                    try self.rig.append(Array(repeating: "x", count: count), to: ref)
                    self.ends[ref, default: 0] += UInt64(count)
                }
                if self.random.chance(1, of: 2) { try self.rig.write() }
            }
        }

        private var streams: [StreamState] { self.rig.core.catalog.streams(after: nil, limit: .max) }

        private mutating func anyStream() -> StreamState? {
            let streams = self.streams
            return streams.isEmpty ? nil : self.random.pick(streams)
        }

        mutating func create(shards: Int) throws {
            self.name += 1
            let ref = try self.rig.create("stream-\(self.name)", shards: shards)
            self.noteChildren(of: ref.stream)
        }

        private mutating func split(_ stream: StreamID, _ shard: ShardNumber) throws {
            try self.rig.submit(.splitShard(stream, shard, at: nil))
            self.noteChildren(of: stream)
        }

        private mutating func noteChildren(of stream: StreamID) {
            for shard in self.rig.core.catalog.stream(stream)?.shards.map({ $0 }) ?? [] {
                let ref = ShardRef(stream: stream, shard: shard.number)
                if self.ends[ref] == nil { self.ends[ref] = shard.firstIndex }
            }
        }

        /// The task that writes the snapshot which was demanded, once its commit is durable.
        func demand() throws -> UpkeepTask {
            self.rig.core.snapshots.demand()
            while true {
                self.rig.core.closeOpen()
                try self.rig.write()
                guard let task = self.rig.core.nextUpkeep() else { continue }
                if case .snapshot = task { return task }
                self.rig.core.finished(task, task.result(self.rig.disk))
            }
        }
    }

    @Test(arguments: 0..<15) func aStartFindsEachShardWhereItWas(seed: UInt64) throws {
        var life = try Life(seed: seed)
        try life.create(shards: 600)
        for _ in 0..<4 {
            for _ in 0..<12 { try life.change() }
            let task = try life.demand()
            for _ in 0..<12 { try life.change() }
            life.rig.core.finished(task, task.result(life.rig.disk))
            for _ in 0..<life.random.below(3) { try life.change() }
            try life.rig.settle()
            try life.rig.core.checkBooks()
            try life.rig.restart()
            try life.rig.core.checkBooks()
            #expect(life.rig.core.shards.states.count == life.ends.count, "seed \(seed)")
            for (ref, end) in life.ends {
                let shard = try #require(life.rig.core.shard(ref), "\(ref), seed \(seed)")
                #expect(shard.nextIndex == end && shard.durableEnd == end, "\(ref), seed \(seed)")
            }
        }
    }

    /// Under the log's lock: what a snapshot of many shards copies when it is taken, and what the next records copy.
    @Test func aSnapshotOfManyShardsCopiesNoneOfThem() throws {
        let rig = try LogRig()
        let ref = try rig.create(shards: 8_000)
        rig.core.snapshots.demand()
        try rig.put(["x"], to: ref)
        let pending = try #require(rig.core.snapshots.next)
        #expect(rig.core.shards.positions.count(apartFrom: pending.positions) == 0)
        #expect(rig.core.catalog.shardCount(apartFrom: pending.catalog) == 0)
        for _ in 0..<10 { try rig.put(["x"], to: ref) }
        #expect(rig.core.shards.positions.count(apartFrom: pending.positions) <= PositionTable.pieceMax)
    }

    /// A segment that is dropped leaves alone whatever has no records in it.
    @Test func aSegmentKnowsTheShardsThatHaveRecordsInIt() throws {
        let rig = try LogRig()
        let ref = try rig.create(shards: 1_000)
        try rig.fill(segments: 6, to: ref)
        #expect(rig.core.segments.count > 2)
        for segment in rig.core.segments { #expect(segment.shards.count <= 1) }
        try rig.submit(.deleteStream(ref.stream))
        #expect(rig.core.shards.states.isEmpty && rig.core.shards.positions.count == 0)
        try rig.core.checkBooks()
    }
}
