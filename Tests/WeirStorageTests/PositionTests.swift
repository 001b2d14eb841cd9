// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What positions are taken, and from when on those may be told that the log gives out.
@Suite struct PositionTests {
    // MARK: Given in

    private func number(_ shard: ShardState, _ index: UInt64, second: UInt64? = nil) -> SequenceNumber {
        SequenceNumber(
            shardCreationSecond: second ?? shard.creationSecond, shard: shard.ref.shard, index: index, arrivalSecond: 0)
    }

    private func begin(_ rig: LogRig, _ ref: ShardRef, _ type: ShardIteratorType) -> Result<UInt64, WeirError> {
        rig.resolveNow(type, in: ref, nowMillis: rig.now)
    }

    @Test(arguments: [0, 1, 7] as [UInt64], [false, true])
    func `Reading begins at a record, behind it or at the end, and never beyond`(records: UInt64, splits: Bool) throws {
        let rig = try LogRig()
        var ref = try rig.create()
        if splits {
            // A child, whose first index lies above 0.
            try rig.put(["parent", "parent"], to: ref)
            try rig.submit(.splitShard(ref.stream, ref.shard, at: nil))
            ref = ShardRef(stream: ref.stream, shard: ShardNumber(1))
        }
        for number in 0..<records { try rig.put(["\(number)"], to: ref) }
        // What is not durable is not there.
        try rig.append(["not yet", "nor this"], to: ref)
        let shard = try #require(rig.core.shard(ref))
        let (first, end) = (shard.firstIndex, shard.firstIndex + records)
        for index in first...(end + 4) {
            let at = self.begin(rig, ref, .atSequenceNumber(self.number(shard, index)))
            let after = self.begin(rig, ref, .afterSequenceNumber(self.number(shard, index)))
            if index <= end { #expect(try at.get() == index) }
            if index < end { #expect(try after.get() == index + 1) }
            for (result, isAllowed) in [(at, index <= end), (after, index < end)] where !isAllowed {
                guard case .failure(let error) = result else {
                    Issue.record("index \(index) of \(first)..<\(end) was taken")
                    continue
                }
                #expect(error.code == .invalidArgument)
                #expect(error.message.contains("beyond the end of \(ref.shard), whose next record gets index \(end)"))
            }
        }
        // What a shard advertises as its first number and, when it is closed, as its last.
        let description = try #require(rig.core.catalog.shard(ref))
        #expect(try self.begin(rig, ref, .atSequenceNumber(description.startingSequenceNumber)).get() == first)
        let ending = self.number(shard, SequenceNumber.endIndex)
        #expect(try self.begin(rig, ref, .afterSequenceNumber(ending)).get() == end)
        for far in [SequenceNumber.endIndex - 1, 1 << 40] {
            #expect(throws: WeirError.self) {
                try self.begin(rig, ref, .atSequenceNumber(self.number(shard, far))).get()
            }
        }
        let atEnd = rig.read(ref, from: end)
        #expect(atEnd.error == nil && atEnd.end == end)
        for index in [end + 1, end + 2, .max] {
            #expect(rig.read(ref, from: index).error?.code == .invalidArgument, "index \(index)")
        }
    }

    @Test func `A number of a stream that was made anew in the same second is refused`() throws {
        let rig = try LogRig()
        for round in 0..<20 {
            let ref = try rig.create("again")
            try rig.put(["one", "two", "three"], to: ref)
            let old = self.number(try #require(rig.core.shard(ref)), 1)
            if round % 3 == 0 { try rig.submit(.splitShard(ref.stream, ref.shard, at: nil)) }
            if round % 4 == 1 { try rig.submit(.rescale(ref.stream, to: 5)) }
            try rig.submit(.deleteStream(ref.stream))
            // The highest second that was used survives with the catalog, in a snapshot and without.
            if round % 5 == 2 {
                rig.core.snapshots.demand()
                try rig.settle()
            }
            if round % 2 == 1 { try rig.restart() }
            let anew = try rig.create("again")
            try rig.put(["other", "others"], to: anew)
            let error = #expect(throws: WeirError.self) {
                try self.begin(rig, anew, .atSequenceNumber(old)).get()
            }
            #expect(error?.code == .invalidArgument && error?.message.contains("of an earlier stream") == true)
            let app = ApplicationRef(stream: anew.stream, name: try ApplicationName("billing"))
            try rig.core.submit(.createApplication(app, from: .trimHorizon), nowMillis: rig.now)
            #expect(throws: WeirError.self, "also as a checkpoint") {
                try rig.core.submit(
                    .reset(app, shard: anew.shard, to: .sequenceNumber(old), force: true, reason: "a test"),
                    nowMillis: rig.now)
            }
            try rig.submit(.deleteStream(anew.stream))
        }
    }

    // MARK: Given out

    @Test(arguments: [true, false])
    func `What a dry run and a refusal say of records waits until these are durable`(isStaged: Bool) throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let application = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        let owner = LeaseOwner(worker: try WorkerID("a"), incarnation: 1)
        try rig.core.submit(.createApplication(application, from: .trimHorizon), nowMillis: rig.now)
        try rig.core.submit(.assign(application, [.init(shard: ref.shard, owner: owner)]), nowMillis: rig.now)
        try rig.put(["zero"], to: ref)
        var groups = NodeGroups<Int>()
        let shard = try #require(rig.core.shard(ref))
        func ask() -> (dry: Told<[LeaseReset]>, refusal: Told<Void>) {
            let moment = GroupMoment(wallMillis: rig.now, nanos: rig.clock.monotonicNanos)
            groups.begin(rig.core, moment)
            let dry = rig.core.tell(of: ref.stream) { _ throws(WeirError) in
                try groups.reset(
                    application, .init(shard: nil, target: .latest, isForced: false, isDryRun: true, reason: "x"),
                    rig.core, moment)
            }
            let hold = LeaseHold(shard: ref.shard, owner: owner, counter: 1)
            let refusal = rig.core.tell(of: ref.stream) { _ throws(WeirError) in
                try groups.checkpoint(
                    application, hold, .sequenceNumber(self.number(shard, 500), subSequence: nil), rig.core, moment)
            }
            return (dry, refusal)
        }
        func expect(_ verdict: Watermark.Verdict) throws {
            let (dry, refusal) = ask()
            #expect(dry.watermark?.judge(dry.mark) == verdict, "\(dry.value)")
            #expect(refusal.watermark?.judge(refusal.mark) == verdict)
            guard case .failure(let error) = refusal.value else {
                Issue.record("a checkpoint beyond the records was taken")
                return
            }
            #expect(error.message.contains("(not included)"), "\(error)")
        }
        try expect(.reached)
        for round in 0..<6 {
            try rig.append(["one", "two"], to: ref, staged: isStaged)
            try expect(.pending)
            // Closed, on its way, on the disk but not acknowledged.
            let job = try #require(try rig.take())
            try expect(.pending)
            try rig.append(["three"], to: ref, staged: !isStaged)
            try expect(.pending)
            try job.perform()
            try expect(.pending)
            if round % 2 == 0 {
                _ = rig.core.written(job, nowNanos: 1)
                try rig.write()
                try expect(.reached)
            } else {
                let (dry, _) = ask()
                try rig.recoverInProcess()
                #expect(rig.core.watermark.judge(dry.mark) == .lost, "nobody knows what becomes of it")
                try rig.write()
                #expect(rig.core.watermark.judge(dry.mark) == .lost)
                break
            }
        }
    }

    @Test func `A term that follows a failed write begins with a commit of its own`() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append(["one"], to: ref)
        let job = try #require(try rig.take())
        let (old, waiting) = (rig.core.watermark, rig.core.mark(job.lsn))
        // It has landed, and its outcome is unknown all the same.
        try job.perform()
        try rig.recoverInProcess()
        #expect(rig.core.hasWork)
        let begun = rig.core.watermark
        #expect(begun.judge(rig.core.catalogMark) == .reached && begun.judge(rig.core.leaseMark) == .reached)
        #expect(begun.judge(waiting) == .lost)
        try rig.write()
        var known = old
        #expect(known.advance(to: rig.core.watermark) == .ended)
        #expect(!rig.core.hasWork && known != begun)
        #expect(rig.read(ref).inOrder == ["one"])
    }
}
