// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Commits whose events are garbage under a right checksum, as an earlier version could write them: the folder opens,
/// says what is lost, and keeps the rest. What a newer version wrote still refuses.
@Suite struct GarbledEventsTests {
    /// Four checkpoints in a commit with records, and commits behind it.
    private struct Log {
        let rig: LogRig
        let refs: [ShardRef]
        let application: ApplicationRef
        let garbled: (name: String, offset: Int, header: CommitHeader)
        /// Texts of the first shard.
        let texts: [String]

        init() throws {
            let rig = try LogRig()
            let first = try rig.create(shards: 4)
            let owner = LeaseOwner(worker: try WorkerID("a"), incarnation: 7)
            self.refs = (0..<4).map { ShardRef(stream: first.stream, shard: ShardNumber($0)) }
            self.application = ApplicationRef(stream: first.stream, name: try ApplicationName("billing"))
            self.rig = rig
            try rig.core.submit(.createApplication(self.application, from: .trimHorizon), nowMillis: rig.now)
            try rig.core.submit(
                .assign(self.application, self.refs.map { .init(shard: $0.shard, owner: owner) }), nowMillis: rig.now)
            try rig.write()
            for ref in self.refs { try rig.put((0..<10).map { "\($0)" }, to: ref) }
            try Self.checkpoint(rig, self.application, self.refs, index: 1)
            try rig.write()
            // They wait, and open the commit of the records behind them.
            try rig.append(["before"], to: self.refs[0])
            try Self.checkpoint(rig, self.application, self.refs, index: 3)
            let lsn = rig.core.openLSN.next
            let job = try #require(try rig.take())
            try rig.append(["in it"], to: self.refs[0])
            try job.perform()
            _ = rig.core.written(job, nowNanos: rig.clock.monotonicNanos)
            try rig.write()
            try rig.put(["behind it"], to: self.refs[0])
            self.texts = (0..<10).map { "\($0)" } + ["before", "in it", "behind it"]
            let segments = rig.segmentFiles
            let name = try #require(segments.first?.name)
            let commits = rig.commits(of: name)
            let commit = try #require(commits.first { $0.header.lsn == lsn })
            self.garbled = (name, commit.offset, commit.header)
            try #require(commit.header.eventCount == 4 && commit.header.batchCount == 1)
        }

        static func checkpoint(_ rig: LogRig, _ application: ApplicationRef, _ refs: [ShardRef], index: UInt64) throws {
            for ref in refs {
                let shard = try #require(rig.core.catalog.shard(ref))
                let row = try #require(rig.core.leases.row(application, ref.shard))
                try rig.core.submit(
                    .checkpoint(
                        application,
                        LeaseHold(shard: ref.shard, owner: try #require(row.owner), counter: row.counter),
                        .sequenceNumber(
                            SequenceNumber(
                                shardCreationSecond: shard.creationSecond, shard: shard.number, index: index,
                                arrivalSecond: 0), subSequence: nil)), nowMillis: rig.now)
            }
        }

        /// Changes the events of the commit, and seals it and all behind it anew.
        func garble(_ change: (inout [UInt8]) -> Void) throws {
            let commits = self.rig.commits(of: self.garbled.name)
            try self.rig.disk.edit(self.garbled.name) { bytes in
                let start = self.garbled.offset + CommitHeader.bytes
                let range = start..<start + self.garbled.header.eventsLength
                var section = Array(bytes[range])
                change(&section)
                bytes.replaceSubrange(range, with: section)
                var previous: CommitPoint?
                for (offset, header) in commits where offset >= self.garbled.offset {
                    var header = header
                    header.previous = previous ?? header.previous
                    bytes.withUnsafeMutableBytes { raw in
                        let place = UnsafeMutableRawBufferPointer(
                            rebasing: raw[offset..<offset + header.paddedLength])
                        header.checksum = header.seal(place)
                    }
                    previous = header.point
                }
            }
        }

        /// The checkpoints of all shards, by index.
        var checkpoints: [UInt64?] {
            self.refs.map { ref in
                guard
                    case .sequenceNumber(let number, _)? = self.rig.core.leases.row(self.application, ref.shard)?
                        .checkpoint
                else { return nil }
                return number.index
            }
        }
    }

    /// Each event of the section takes as many bytes as the others.
    private static func garbage(from event: Int, _ fill: @escaping (Int) -> UInt8) -> (inout [UInt8]) -> Void {
        { section in
            for position in event * section.count / 4..<section.count { section[position] = fill(position) }
        }
    }

    @Test(arguments: 0..<4, 0..<4)
    func aFolderWithGarbageInTheEventsOfACommitOpensAndSaysWhatIsLost(event: Int, kind: Int) throws {
        let log = try Log()
        var random = SplitMix64(seed: UInt64(event * 4 + kind))
        let noise = (0..<1000).map { _ in UInt8(random.below(256)) }
        let fills: [(Int) -> UInt8] = [
            { _ in 0 }, { _ in 0xff }, { noise[$0] }, { UInt8(truncatingIfNeeded: $0 / 8) },
        ]
        try log.garble(Self.garbage(from: event, fills[kind]))
        try log.rig.restart(powerCut: false)
        #expect(
            log.rig.report.damaged == [
                DamagedRange(
                    file: log.garbled.name, offset: log.garbled.offset + CommitHeader.bytes,
                    length: log.garbled.header.eventsLength)
            ])
        #expect(
            log.rig.report.lines.contains {
                $0.contains("\(log.garbled.header.lsn) ") && $0.contains("only the first \(event) can be read")
            }, "\(log.rig.report.lines)")
        #expect(log.checkpoints == (0..<4).map { $0 < event ? 3 : 1 })
        #expect(log.rig.read(log.refs[0]).inOrder == log.texts)
        // It goes on from there, and the snapshot that it takes makes an end of the damage.
        try Log.checkpoint(log.rig, log.application, log.refs, index: 5)
        try log.rig.put(["later"], to: log.refs[0])
        try log.rig.settle()
        try log.rig.restart()
        #expect(log.rig.report.damaged.isEmpty, "\(log.rig.report.lines)")
        #expect(log.checkpoints == [5, 5, 5, 5])
    }

    /// The garbage may be events of another commit: each decodes, and does not fit what was read.
    @Test func eventsThatDoNotFitAreLeftOut() throws {
        let log = try Log()
        try log.garble { section in
            let (name, other) = (Array("billing".utf8), Array("unknown".utf8))
            for place in 0...section.count - name.count where section[place..<place + name.count].elementsEqual(name) {
                section.replaceSubrange(place..<place + name.count, with: other)
            }
        }
        try log.rig.restart(powerCut: false)
        #expect(log.rig.report.damaged.count == 1)
        #expect(
            log.rig.report.lines.contains { $0.contains("4 changes of leases do not fit") }, "\(log.rig.report.lines)")
        #expect(log.checkpoints == [1, 1, 1, 1])
        #expect(log.rig.read(log.refs[0]).inOrder == log.texts)
    }

    /// A whole section with a kind that nobody knows yet: refused, and nothing is touched.
    @Test func whatANewerVersionWroteIsNoGarbage() throws {
        let log = try Log()
        try log.garble { section in
            let place = 2 * section.count / 4
            (section[place], section[place + 1]) = (99, 0)
        }
        let before = log.rig.disk.image
        let error = #expect(throws: StorageError.self) { try log.rig.restart(powerCut: false) }
        #expect(error?.message.contains("event kind 99 is unknown to this version") == true, "\(error?.message ?? "")")
        #expect(log.rig.disk.image == before)
    }

    /// A change of a stream cannot be left out: what came after was decided by it.
    @Test func aStreamThatWasLostWithGarbageStillRefuses() throws {
        let rig = try LogRig()
        try rig.create("one")
        let ref = try rig.create("two")
        try rig.put(["a"], to: ref)
        let name = try #require(rig.segmentFiles.first?.name)
        let commits = rig.commits(of: name)
        let target = try #require(commits.last { $0.header.eventCount > 0 })
        try rig.disk.edit(name) { bytes in
            bytes[target.offset + CommitHeader.bytes] = 0
            var previous: CommitPoint?
            for (offset, header) in commits where offset >= target.offset {
                var header = header
                header.previous = previous ?? header.previous
                bytes.withUnsafeMutableBytes { raw in
                    header.checksum = header.seal(
                        UnsafeMutableRawBufferPointer(rebasing: raw[offset..<offset + header.paddedLength]))
                }
                previous = header.point
            }
        }
        let error = #expect(throws: StorageError.self) { try rig.restart(powerCut: false) }
        #expect(error?.message.contains("changes of streams and shards") == true, "\(error?.message ?? "")")
    }
}
