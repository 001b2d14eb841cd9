// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Nothing computed from state that a power cut could undo leaves the node: each test asks while a change is on its
/// way, then cuts the power, and asks again.
@Suite struct VisibilityTests {
    @Test func recordsThatAreNotDurableAreNotRead() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.append(["two"], to: ref)
        try rig.append(["three"], to: ref, staged: true)
        #expect(rig.read(ref).inOrder == ["one"])
        #expect(try rig.resolveNow(.latest, in: ref, nowMillis: rig.now).get() == 1)
        let job = try #require(try rig.take())
        try job.write()
        #expect(rig.read(ref).inOrder == ["one"])
        try rig.restart()
        #expect(rig.read(ref).inOrder.first == "one")
    }

    @Test func theSecondCommitWaitsForTheFirst() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append(["one"], to: ref)
        let first = try #require(try rig.take())
        try rig.append(["two"], to: ref)
        let second = try #require(try rig.take())
        try second.perform()
        #expect(rig.core.written(second, nowNanos: 1).durable < first.lsn)
        #expect(rig.read(ref).inOrder.isEmpty)
        try first.perform()
        #expect(rig.core.written(first, nowNanos: 1).durable == second.lsn)
        #expect(rig.read(ref).inOrder == ["one", "two"])
    }

    @Test func aDeletionIsToldWhenItIsDurable() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        let shard = try #require(rig.core.shard(ref))
        _ = try rig.core.submit(.deleteStream(ref.stream), nowMillis: rig.now)
        #expect(rig.read(ref).inOrder == ["one"])
        #expect(throws: WeirError.self) { try rig.append(["late"], to: shard) }
        try rig.restart()
        #expect(rig.read(ref).inOrder == ["one"])

        try rig.submit(.deleteStream(ref.stream))
        #expect(rig.read(ref).error?.code == .streamDeleted)
        try rig.restart()
        #expect(rig.read(ref).error?.code == .streamDeleted)
    }

    @Test func aTrimHidesWhenItIsDurable() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        rig.clock.advance(millis: 1000)
        _ = try rig.core.submit(.trimStream(ref.stream, beforeMillis: rig.now), nowMillis: rig.now)
        #expect(rig.read(ref).missed == 0)
        #expect(try rig.resolveNow(.trimHorizon, in: ref, nowMillis: rig.now).get() == 0)
        try rig.write()
        #expect(rig.read(ref).missed == 1)
        #expect(try rig.resolveNow(.trimHorizon, in: ref, nowMillis: rig.now).get() == 1)
        try rig.restart()
        #expect(rig.read(ref).missed == 1)
    }

    @Test func aLongerRetentionOnItsWayBringsNothingBack() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.submit(.updateStream(ref.stream, StreamChanges(retentionMillis: 3_600_000)))
        try rig.put(["one"], to: ref)
        rig.clock.advance(millis: 3_599_000)
        _ = try rig.core.submit(
            .updateStream(ref.stream, StreamChanges(retentionMillis: 7_200_000)), nowMillis: rig.now)
        // The change was planned while the record was visible; it must not vanish and come back.
        rig.clock.advance(millis: 2000)
        #expect(rig.read(ref).inOrder == ["one"])
        try rig.write()
        #expect(rig.read(ref).inOrder == ["one"])
    }

    @Test func aSplitIsToldWhenItIsDurable() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        _ = try rig.core.submit(.splitShard(ref.stream, ref.shard, at: nil), nowMillis: rig.now)
        func end() throws -> [ShardDescription]? {
            try rig.readNow(
                ReadRequest(shard: ref, fromIndex: 1, maxRecords: 10, maxBytes: 1000, nowMillis: rig.now)
            ).get().endOfShard
        }
        #expect(try end() == nil)
        let child = ShardRef(stream: ref.stream, shard: ShardNumber(1))
        #expect(rig.read(child).error?.code == .shardNotFound)
        try rig.write()
        #expect(try end()?.map(\.number) == [ShardNumber(1), ShardNumber(2)])
        // A child that is being split is still shown open.
        _ = try rig.core.submit(.splitShard(ref.stream, ShardNumber(1), at: nil), nowMillis: rig.now)
        #expect(try end()?.allSatisfy(\.isOpen) == true)
        try rig.restart()
        #expect(try end()?.allSatisfy(\.isOpen) == true)
    }
}
