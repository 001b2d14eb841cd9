// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@testable import WeirStorage

/// Changes of streams that wait for the disk: each keeps what it has changed of a list of shards, and together they
/// have a bound.
@Suite struct WaitingChangesTests {
    @Test(arguments: [1000, 8000]) func changesWaitUpToABoundOfListedShardsAndGoOnBehindIt(shards: Int) throws {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("wide", shards: shards)
        let most = LogCore.waitingShardsMax
        var taken = 0
        var refusal: WeirError?
        for number in 0..<shards where refusal == nil {
            refusal = Self.refusal { () throws(WeirError) in
                _ = try rig.core.submit(
                    .splitShard(ref.stream, ShardNumber(UInt32(number)), at: nil), nowMillis: rig.now)
            }
            guard refusal == nil else { break }
            // A put behind each change, so that each has a commit of its own.
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shards - 1))))
            taken += 1
        }
        let error = try #require(refusal)
        #expect(error.code == .unavailable && error.verdict.retry == .after(millis: 20), "\(error.message)")
        // Before it are as many as the bound has room for, or as many commits as may wait. Each keeps the open shards
        // and two pieces of the list.
        #expect(rig.core.streams.weight <= most + 2 * shards)
        #expect(error.message.contains(rig.core.streams.weight > most ? "listed shards" : "commits"), "\(taken)")
        try rig.write()
        #expect(rig.core.streams.weight == 0)
        _ = try rig.core.submit(
            .splitShard(ref.stream, ShardNumber(UInt32(taken)), at: nil), nowMillis: rig.now)
        try rig.write()
        try rig.core.checkBooks()
    }

    /// Each state that waits keeps the attributes of its stream, however small the change was.
    @Test(arguments: [1, 255, 256]) func changesOfAttributesWeighWhatTheyKeep(count: Int) throws {
        let rig = try LogRig()
        let ref = try rig.create()
        func change(_ number: Int, _ value: String) throws -> AttributeChange {
            try AttributeChange(AttributeName(namespace: "x", key: "\(number)"), value)
        }
        try rig.core.setAttributes(
            .stream, of: ref.stream, (0..<count).map { try change($0, "v") }, nowMillis: rig.now)
        try rig.write()
        for round in 0..<5 {
            let before = rig.core.streams.weight
            try rig.core.setAttributes(.stream, of: ref.stream, [change(0, "\(round)")], nowMillis: rig.now)
            #expect(rig.core.streams.weight - before >= count, "it keeps \(count) attributes until it is durable")
        }
        try rig.write()
        #expect(rig.core.streams.weight == 0)
    }

    /// What keeps the disk behind: a queue at a bound, where a change that a client makes is refused.
    enum Backlog: CaseIterable { case none, commits, bytes, lists }

    /// Clients that keep the queue for the disk full may do so for hours, and a stream grows in the meantime.
    @Test(arguments: Backlog.allCases) func aSizeCapHoldsHoweverMuchWaitsForTheDisk(_ backlog: Backlog) throws {
        var configuration = LogRig.small
        if backlog == .bytes { configuration.pendingBytesMax = 512 << 10 }
        let rig = try LogRig(configuration: configuration)
        let shards = backlog == .lists ? 4000 : 300
        let wide = try rig.create("wide", shards: shards)
        let cap: Int64 = 1 << 20
        let ref = try rig.create("orders", StreamSettings(maxBytes: cap, limits: .open))
        try rig.fill(segments: 48, to: ref)
        func left() -> Int64 {
            let capped = rig.core.catalog.stream(ref.stream)?.cappedPosition ?? 0
            return rig.core.fullSegments.filter { $0.last.rawValue > capped }.dropFirst()
                .reduce(0) { $0 + ($1.shares[ref.stream]?.bytes ?? 0) }
        }
        #expect(left() >= cap, "there is something to take")
        try Self.keepBehind(rig, backlog, wide, shards: shards)
        let waiting = rig.core.commits.closed.count
        rig.core.retain(rig.clock.moment, space: try rig.disk.space())
        #expect(left() < cap)
        // Not a commit more than one, and nothing more in a second look.
        let after = rig.core.commits.closed.count
        #expect(after <= waiting + 1)
        rig.core.retain(rig.clock.moment, space: try rig.disk.space())
        #expect(rig.core.commits.closed.count == after)
        try rig.settle()
        try rig.core.checkBooks()
        try rig.restart()
        #expect(left() < cap, "it is on the disk")
    }

    /// Puts and changes of another stream, none of which goes to the disk, until a change is refused.
    private static func keepBehind(_ rig: LogRig, _ backlog: Backlog, _ wide: ShardRef, shards: Int) throws {
        let reason: String
        switch backlog {
        case .none: return
        case .commits: reason = "commits wait"
        case .bytes: reason = "bytes wait"
        case .lists: reason = "listed shards"
        }
        let last = try #require(rig.core.shard(ShardRef(stream: wide.stream, shard: ShardNumber(UInt32(shards - 1)))))
        func put(_ bytes: Int) -> WeirError? {
            Self.refusal { () throws(WeirError) in
                try rig.append([String(repeating: "x", count: bytes)], to: last)
            }
        }
        if backlog == .bytes {
            for bytes in [60_000, 6_000, 600, 60] { while put(bytes) == nil {} }
        }
        var refusal: WeirError?
        for number in 0..<shards - 1 where refusal == nil {
            refusal = Self.refusal { () throws(WeirError) in
                _ = try rig.core.submit(
                    .splitShard(wide.stream, ShardNumber(UInt32(number)), at: nil), nowMillis: rig.now)
            }
            // A put behind each change, so that each has a commit of its own.
            if backlog != .bytes { #expect(put(1) == nil) }
        }
        #expect(refusal?.message.contains(reason) == true, "\(refusal?.message ?? "no change was refused")")
    }

    /// Streams, and what belongs to them, have one bound together.
    @Test func theAttributesOfANodeHaveOneBound() throws {
        var configuration = LogRig.small
        configuration.segmentBytesMin = 4 << 20
        configuration.segmentBytesMax = 4 << 20
        let rig = try LogRig(configuration: configuration)
        let stream = try rig.create().stream
        let name = try ConsumerName("fast")
        try rig.core.submit(.registerConsumer(stream, name), nowMillis: rig.now)
        let value = String(repeating: "v", count: Limits.attributeValueBytes.upperBound)
        let changes = try (0..<3).map {
            try AttributeChange(AttributeName(namespace: "x", key: "\($0)"), value)
        }
        let each = changes.reduce(0) { $0 + $1.name.bytes + value.utf8.count }
        var (taken, refusal) = (0, WeirError?.none)
        for number in 0..<Limits.attributeBytesOfNodeMax / each + 2 where refusal == nil {
            let other = try rig.create("s\(number)").stream
            do throws(WeirError) {
                try rig.core.setAttributes(.stream, of: other, changes, nowMillis: rig.now)
                taken += each
            } catch { refusal = error }
            try rig.write()
        }
        #expect(refusal?.code == .limitExceeded && taken + each > Limits.attributeBytesOfNodeMax)
        let error = #expect(throws: WeirError.self) {
            try rig.core.setAttributes(.consumer(name), of: stream, changes, nowMillis: rig.now)
        }
        #expect(error?.code == .limitExceeded)
        #expect(rig.core.catalog.attributeBytes + rig.core.leases.attributeBytes <= Limits.attributeBytesOfNodeMax)
    }

    /// A split in a long list, with all catalogs that wait for the disk beside it: what it copies is told by what it
    /// changes. The time is printed, not judged: a busy machine is no fault.
    @Test func pipelinedSplitsOfALongListCopyLittle() throws {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("long", shards: 1_000)
        for round in 0..<20 { try rig.submit(.rescale(ref.stream, to: round % 2 == 0 ? 999 : 1_000)) }
        let listed = rig.core.catalog.listedShardCount
        #expect(listed > 20_000)
        let start = ContinuousClock().now
        for number in 0..<100 {
            let open = try #require(rig.core.catalog.stream(ref.stream)).map.shards
            _ = try rig.core.submit(.splitShard(ref.stream, open[number].number, at: nil), nowMillis: rig.now)
            // A put behind each change, so that each has a commit of its own.
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: open[999].number))
        }
        print("\(listed) listed shards: 100 splits that wait in \(start.duration(to: ContinuousClock().now))")
        let weights = rig.core.streams.changes.map(\.weight)
        #expect(weights.count == 100 && weights.allSatisfy { $0 <= 1_101 + 3 * ShardList.pieceMax })
        try rig.write()
        #expect(rig.core.streams.durable.listedShardCount == rig.core.catalog.listedShardCount)
        try rig.core.checkBooks()
    }

    private static func refusal(_ body: () throws(WeirError) -> Void) -> WeirError? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
