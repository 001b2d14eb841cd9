// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Leases in the log: they ride with the commits of puts, survive what acknowledged records survive, and a snapshot
/// holds them exactly.
@Suite struct LeaseLogTests {
    private struct Node {
        let rig: LogRig
        let ref: ShardRef
        let application: ApplicationRef
        let owner: LeaseOwner

        init(segmentBytes: Int = 64 << 10) throws {
            var configuration = LogRig.small
            configuration.segmentBytesMin = segmentBytes
            configuration.segmentBytesMax = segmentBytes
            self.rig = try LogRig(configuration: configuration)
            self.ref = try self.rig.create(shards: 4)
            self.application = ApplicationRef(stream: self.ref.stream, name: try ApplicationName("billing"))
            self.owner = LeaseOwner(worker: try WorkerID("a"), incarnation: 7)
            try self.submit(.createApplication(self.application, from: .trimHorizon))
            let changes = (0..<4).map { LeasesAssigned.Change(shard: ShardNumber($0), owner: self.owner) }
            try self.submit(.assign(self.application, changes))
            try self.rig.write()
        }

        @discardableResult
        func submit(_ command: LeaseCommand) throws -> LSN {
            try self.rig.core.submit(command, nowMillis: self.rig.now)
        }

        @discardableResult
        func checkpoint(_ index: UInt64) throws -> LSN {
            let shard = try #require(self.rig.core.catalog.shard(self.ref))
            let number = SequenceNumber(
                shardCreationSecond: shard.creationSecond, shard: shard.number, index: index, arrivalSecond: 0)
            let counter = try #require(self.row).counter
            return try self.submit(
                .checkpoint(
                    self.application, LeaseHold(shard: shard.number, owner: self.owner, counter: counter),
                    .sequenceNumber(number, subSequence: nil)))
        }

        var row: LeaseRow? { self.rig.core.leases.row(self.application, self.ref.shard) }

        var checkpointIndex: UInt64? {
            guard case .sequenceNumber(let number, _)? = self.row?.checkpoint else { return nil }
            return number.index
        }
    }

    @Test func aSplitThatBringsMoreLeasesThanTheNodeKeepsIsRefusedAndChangesNothing() throws {
        let rig = try LogRig()
        let shards = Limits.leasesMax / Limits.applicationsPerStream
        let ref = try rig.create(shards: shards)
        let applications = try (0..<Limits.applicationsPerStream).map {
            ApplicationRef(stream: ref.stream, name: try ApplicationName("app-\($0)"))
        }
        for application in applications {
            try rig.core.submit(.createApplication(application, from: .trimHorizon), nowMillis: rig.now)
            try rig.write()
        }
        try #require(rig.core.leases.rowCount == Limits.leasesMax)
        let version = rig.core.catalog.version
        let error = #expect(throws: WeirError.self) { try rig.submit(.splitShard(ref.stream, ref.shard, at: nil)) }
        #expect(error?.code == .limitExceeded && error?.message.contains("\(Limits.leasesMax) are allowed") == true)
        #expect(rig.core.catalog.version == version && rig.core.leases.rowCount == Limits.leasesMax)
        // As the sentence says.
        try rig.core.submit(.deleteApplication(applications[3], force: false), nowMillis: rig.now)
        try rig.submit(.splitShard(ref.stream, ref.shard, at: nil))
        #expect(rig.core.leases.rowCount == (shards + 2) * (Limits.applicationsPerStream - 1))
    }

    @Test func aCheckpointCostsNoCommitWhilePutsGoOn() throws {
        let node = try Node(segmentBytes: 8 << 20)
        let core = node.rig.core
        let before = core.counters.commits
        for round in 0..<50 {
            // A commit that is being filled takes no event any more, and is not cut short for one.
            let first = try node.rig.append(["a\(round)"], to: node.ref)
            let told = try node.checkpoint(first.firstIndex)
            let second = try node.rig.append(["b\(round)"], to: node.ref)
            #expect(second.lsn == first.lsn, "the checkpoint has not closed the commit")
            #expect(told == first.lsn.next)
            // The next commit takes it along.
            let job = try #require(try node.rig.take())
            let third = try node.rig.append(["c\(round)"], to: node.ref)
            #expect(third.lsn == told)
            #expect(core.durableLSN < told)
            try job.perform()
            _ = core.written(job, nowNanos: node.rig.clock.monotonicNanos)
            try node.rig.write()
            #expect(core.durableLSN >= told)
        }
        #expect(core.counters.commits - before == 100, "two for each round, as without checkpoints")
    }

    @Test func manyCheckpointsShareOneCommit() throws {
        let node = try Node()
        try node.rig.append((0..<200).map { "r\($0)" }, to: node.ref)
        try node.rig.write()
        let before = node.rig.core.counters.commits
        for index in 0..<200 { try node.checkpoint(UInt64(index)) }
        try node.rig.write()
        #expect(node.rig.core.counters.commits - before == 1)
        #expect(node.checkpointIndex == 199)
    }

    @Test func whatWasToldSurvivesAPowerCutAndWhatWasNotMayGo() throws {
        let node = try Node()
        try node.rig.append((0..<10).map { "r\($0)" }, to: node.ref)
        let told = try node.checkpoint(4)
        try node.rig.write()
        #expect(node.rig.core.durableLSN >= told)
        try node.checkpoint(8)
        try node.rig.restart()
        #expect(node.checkpointIndex == 4)
        #expect(node.row?.owner == node.owner)
        #expect(node.row?.counter == 1)
    }

    @Test func aSnapshotHoldsTheTableOfItsMomentUnderSteadyCheckpoints() throws {
        let node = try Node()
        var index: UInt64 = 0
        for round in 0..<60 {
            // Always an event that waits when a commit closes, as on a busy node.
            for _ in 0..<10 {
                let appended = try node.rig.append([String(repeating: "x", count: 3000)], to: node.ref)
                index = appended.firstIndex
                try node.checkpoint(index)
                try node.rig.append(["more"], to: node.ref)
                if let job = try node.rig.take() {
                    try node.rig.append(["and more"], to: node.ref)
                    try job.perform()
                    _ = node.rig.core.written(job, nowNanos: node.rig.clock.monotonicNanos)
                }
                try node.rig.doUpkeep()
            }
            guard round % 20 == 19 else { continue }
            try node.rig.settle()
            #expect(node.rig.core.snapshots.kept.count == 2, "snapshots are taken nevertheless")
            let table = node.rig.core.leases.encodeSnapshot()
            try node.rig.restart()
            #expect(node.rig.core.leases.encodeSnapshot() == table)
            #expect(node.checkpointIndex == index)
            // From the older snapshot and the log it is the same.
            let newest = try #require(node.rig.snapshotFiles.last)
            let older = try LogRig(node.rig.disk.copy { $0[newest] = nil })
            #expect(older.core.leases.encodeSnapshot() == table)
        }
    }

    @Test func aSplitBringsTheLeasesOfItsChildrenInTheSameCommit() throws {
        let node = try Node()
        let submitted = try node.rig.core.submit(
            .splitShard(node.ref.stream, node.ref.shard, at: nil), nowMillis: node.rig.now)
        #expect(node.rig.core.leaseLSN == submitted.lsn)
        try node.rig.write()
        try node.rig.restart()
        let rows = try #require(node.rig.core.leases.application(node.application)).rows
        #expect(rows.count == 6)
        #expect(rows[ShardNumber(4)]?.checkpoint == .trimHorizon)
    }

    @Test func lagCountsWhatIsStillToBeDone() throws {
        let node = try Node()
        node.rig.clock.advance(millis: 1000)
        try node.rig.put((0..<10).map { "r\($0)" }, to: node.ref)
        node.rig.clock.advance(millis: 500)
        func lag() throws -> LeaseDescription.Lag {
            node.rig.core.lag(
                of: try #require(node.row), try #require(node.rig.core.catalog.shard(node.ref)), in: node.ref.stream,
                nowMillis: node.rig.now)
        }
        #expect(try lag() == .init(records: 10, millis: 500))
        try node.checkpoint(3)
        #expect(try lag() == .init(records: 6, millis: 500))
        try node.checkpoint(9)
        #expect(try lag() == .init(records: 0, millis: 0))
    }
}
