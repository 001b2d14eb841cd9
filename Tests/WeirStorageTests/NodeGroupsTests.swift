// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// The groups of a node: what they keep follows who is there, not who ever was.
@Suite struct NodeGroupsTests {
    private static func moment(_ rig: LogRig) -> GroupMoment {
        GroupMoment(wallMillis: rig.now, nanos: rig.clock.monotonicNanos)
    }

    private static func beat(_ owner: LeaseOwner, _ version: UInt64) -> NodeGroups<Int>.Beat {
        .init(owner: owner, seenVersion: version, measured: [], isNew: true)
    }

    @Test(arguments: [1, 3, 300]) func workersThatComeAndGoLeaveNothingBehind(_ lives: Int) throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let app = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        var groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        for life in 1...lives {
            rig.clock.advance(millis: 1000)
            let owner = LeaseOwner(worker: try WorkerID("w\(life)"), incarnation: UInt64(life))
            let assignment = try groups.join(
                app, owner, timeoutMillis: 5000, from: .trimHorizon, rig.core, Self.moment(rig))
            let answer = try groups.heartbeat(
                app, Self.beat(owner, assignment.version), waiter: life, rig.core, Self.moment(rig))
            #expect(answer == nil)
            groups.disconnected(app, owner) { $0 == life }
            groups.tick(rig.core, Self.moment(rig))
            _ = groups.takeWakes()
            try rig.write()
            #expect((groups.groups[app]?.members.count ?? 0) <= 6, "those of the last session timeout")
            #expect(groups.waiting.isEmpty)
        }
        for _ in 0..<60 {
            rig.clock.advance(millis: 200)
            groups.tick(rig.core, Self.moment(rig))
        }
        #expect(groups.groups.isEmpty)
    }

    /// The table says how long each owner may be silent; nobody has to say it again after a start.
    @Test(arguments: [1000, 5000, 60_000, 300_000] as [UInt32], [false, true])
    func aStartForgetsNoSessionTimeout(_ millis: UInt32, _ comesBack: Bool) throws {
        let rig = try LogRig()
        let ref = try rig.create(shards: 3)
        let app = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        var groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        let a = LeaseOwner(worker: try WorkerID("a"), incarnation: 1)
        _ = try groups.join(
            app, a, timeoutMillis: comesBack ? 5000 : millis, from: .trimHorizon, rig.core, Self.moment(rig))
        if comesBack {
            // With another one, before anything has expired.
            _ = try groups.join(app, a, timeoutMillis: millis, from: .trimHorizon, rig.core, Self.moment(rig))
        }
        try rig.write()
        try rig.restart()
        groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        let start = rig.clock.monotonicNanos
        func isHeld() -> Bool {
            rig.core.leases.application(app)?.rows.values.allSatisfy { $0.owner == a } ?? false
        }
        while isHeld(), rig.clock.monotonicNanos < start + 400_000_000_000 {
            rig.clock.advance(millis: 100)
            groups.tick(rig.core, Self.moment(rig))
        }
        let silent = Int64(rig.clock.monotonicNanos - start) / 1_000_000
        #expect(Int64(millis)...Int64(millis) + 200 ~= silent)
    }

    @Test func aFailedWriteLeavesTheGroupInStepWithTheTable() throws {
        let rig = try LogRig()
        let ref = try rig.create(shards: 4)
        let app = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        var groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        let a = LeaseOwner(worker: try WorkerID("a"), incarnation: 1)
        _ = try groups.join(app, a, timeoutMillis: 60_000, from: .trimHorizon, rig.core, Self.moment(rig))
        try rig.write()
        // What is decided now is lost with its commit.
        let b = LeaseOwner(worker: try WorkerID("b"), incarnation: 2)
        _ = try groups.join(app, b, timeoutMillis: 60_000, from: .trimHorizon, rig.core, Self.moment(rig))
        try groups.leave(app, a, rig.core, Self.moment(rig))
        #expect(rig.core.leases.application(app)?.rows.values.allSatisfy { $0.owner == b } ?? false)
        try rig.recoverInProcess()
        groups.begin(rig.core, Self.moment(rig))
        #expect(rig.core.leases.application(app)?.rows.values.allSatisfy { $0.owner == a } ?? false)
        rig.clock.advance(millis: 1100)
        groups.tick(rig.core, Self.moment(rig))
        let rows = try #require(rig.core.leases.application(app)?.rows)
        #expect(rows.values.allSatisfy { $0.owner == b })
        let told = try #require(
            try groups.heartbeat(app, Self.beat(b, 0), waiter: nil, rig.core, Self.moment(rig))?.leases)
        #expect(told.map(\.shard) == rows.keys.sorted())
    }

    /// The log takes no change, and so the worker is told that it has not joined: then it has not.
    @Test func aWorkerWhoseJoinIsRefusedIsNoMember() throws {
        var configuration = LogRig.small
        configuration.pendingBytesMax = 8_000
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create(shards: 3)
        let app = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        var groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        let a = LeaseOwner(worker: try WorkerID("a"), incarnation: 1)
        _ = try groups.join(app, a, timeoutMillis: 60_000, from: .trimHorizon, rig.core, Self.moment(rig))
        try rig.write()
        try rig.restart()
        groups = NodeGroups<Int>()
        groups.begin(rig.core, Self.moment(rig))
        // More waits for the disk than may.
        try rig.append([String(repeating: "x", count: 7_500)], to: ref)
        try rig.core.submit(.registerConsumer(ref.stream, ConsumerName("fast")), nowMillis: rig.now)
        let fill = try #require(rig.core.shard(ref))
        while (try? rig.append([String(repeating: "x", count: 100)], to: fill)) != nil {}
        for number in 0..<40 {
            _ = try? rig.core.submit(.registerConsumer(ref.stream, ConsumerName("c\(number)")), nowMillis: rig.now)
        }
        let error = #expect(throws: WeirError.self) {
            try groups.join(app, a, timeoutMillis: 5_000, from: .trimHorizon, rig.core, Self.moment(rig))
        }
        #expect(error?.code == .unavailable)
        let member = try #require(groups.groups[app]?.members[a.worker])
        #expect(!member.hasJoined && member.timeoutNanos == 60_000_000_000, "it is expected, as before")
        try rig.write()
        _ = try groups.join(app, a, timeoutMillis: 5_000, from: .trimHorizon, rig.core, Self.moment(rig))
        #expect(groups.groups[app]?.members[a.worker]?.hasJoined == true)
    }
}
