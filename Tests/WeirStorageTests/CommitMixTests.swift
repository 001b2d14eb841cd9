// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Whatever comes together in one commit, in whatever sizes: what is sealed decodes, and a start finds all of it.
@Suite struct CommitMixTests {
    /// Small bounds, so that every border is near.
    @Test(arguments: 0..<4) func mixesOfSmallCommitsAreReadBack(_ part: UInt64) throws {
        for seed in part * 15..<part * 15 + 15 {
            var random = SplitMix64(seed: seed)
            let bounds = CommitBounds(
                closeBytes: random.pick([300, 4096, 4097, 9000, 20_000]),
                waitingBytes: random.pick([0, 64, 500, 3000, 9000]), bufferBytes: random.pick([4096, 8192, 12_288]))
            var mix = try Mix(random, bounds, shards: random.pick([1, 3, 70]), operations: 60, bytesMax: 40_000)
            try mix.play("seed \(seed), \(bounds)")
        }
    }

    /// The product's bounds: 2 MiB, 64 KiB more of memory, 1 MiB of waiting events.
    @Test(arguments: 0..<3 as Range<UInt64>) func mixesOfLargeCommitsAreReadBack(_ seed: UInt64) throws {
        let random = SplitMix64(seed: seed &+ 1000)
        var mix = try Mix(random, .standard, shards: 300, operations: 12, bytesMax: 3 << 20)
        try mix.play("large seed \(seed)")
    }

    /// A change of leases waits, and a put comes that does not fit the memory of a new commit: in every way in which a
    /// put can come.
    @Test(arguments: Way.allCases, [1, 300])
    func aPutThatIsLargerThanACommitKeepsTheChangesThatWait(way: Way, changes: Int) throws {
        var mix = try Mix(SplitMix64(seed: 7), .standard, shards: 300, operations: 0, bytesMax: 3 << 20)
        try mix.put(.framed, bytes: 10)
        try mix.changeLeases(count: changes)
        #expect(!mix.rig.core.commits.waitingEvents.isEmpty)
        try mix.put(way, bytes: 3 << 20)
        try mix.check("\(way), \(changes)")
    }

    @Test func aPutThatNoCommitHoldsIsRefused() throws {
        let mix = try Mix(SplitMix64(seed: 7), .standard, shards: 1, operations: 0, bytesMax: 1)
        let shard = try #require(mix.rig.core.shard(mix.refs[0]))
        let error = #expect(throws: WeirError.self) {
            try mix.rig.append([String(repeating: "x", count: CommitBounds.requestBytesMax)], to: shard)
        }
        #expect(error?.code == .limitExceeded)
        #expect(mix.rig.core.openBytes == CommitHeader.bytes)
    }

    enum Way: CaseIterable {
        case framed
        case staged
        case routed
        case parts
    }
}

/// One log, what was put to it, and its leases.
private struct Mix {
    let rig: LogRig
    let bounds: CommitBounds
    let refs: [ShardRef]
    private let application: ApplicationRef
    private var random: SplitMix64
    private let operations: Int
    private let bytesMax: Int
    /// Texts of each shard, in order.
    private var texts: [ShardRef: [String]] = [:]
    private var nextText = 0

    init(_ random: SplitMix64, _ bounds: CommitBounds, shards: Int, operations: Int, bytesMax: Int) throws {
        var configuration = LogRig.small
        configuration.commitBounds = bounds
        configuration.segmentBytesMin = max(1 << 20, bytesMax * 2)
        configuration.segmentBytesMax = configuration.segmentBytesMin
        configuration.logBytesMax = 1 << 30
        configuration.bounds = Catalog.Bounds(streamsMax: 1000, openShardsMax: 1000)
        self.rig = try LogRig(configuration: configuration)
        self.bounds = bounds
        self.random = random
        self.operations = operations
        self.bytesMax = bytesMax
        let first = try self.rig.create(shards: shards)
        self.refs = (0..<shards).map { ShardRef(stream: first.stream, shard: ShardNumber(UInt32($0))) }
        self.application = ApplicationRef(stream: first.stream, name: try ApplicationName("billing"))
        try self.rig.core.submit(.createApplication(self.application, from: .trimHorizon), nowMillis: self.rig.now)
        try self.rig.write()
    }

    mutating func play(_ name: String) throws {
        for _ in 0..<self.operations {
            switch self.random.below(12) {
            case 0...2: try self.changeLeases(count: self.random.pick([1, 2, 20]))
            case 3: try self.changeStreams()
            case 4: try self.write(name)
            case 5...6: try self.put(.framed, bytes: self.size())
            case 7...8: try self.put(.staged, bytes: self.size())
            case 9...10: try self.put(.routed, bytes: self.size())
            default: try self.put(.parts, bytes: self.size())
            }
        }
        try self.check(name)
    }

    /// Bytes of a put, around one of the borders as seen from the open commit.
    private mutating func size() -> Int {
        let open = self.rig.core.openBytes
        let border = self.random.pick([
            self.bounds.closeBytes, self.bounds.closeBytes - open, self.bounds.bufferBytes,
            self.bounds.bufferBytes - open, self.bounds.bufferBytes - CommitHeader.bytes,
            self.bounds.closeBytes - self.rig.core.commits.waitingEvents.bytes, self.bounds.waitingBytes, 64 << 10,
            LogFormat.block, 100, self.bytesMax,
        ])
        return min(max(2, border + self.random.within(-180...20)), self.bytesMax)
    }

    /// A put of about so many bytes, in as many records as the lists of a commit begin with, or fewer.
    mutating func put(_ way: CommitMixTests.Way, bytes: Int) throws {
        let count = min(self.random.pick([1, 1, 2, 63, 64, 65, 257, 500]), max(1, bytes / 16))
        let length = max(1, bytes / count - BatchBody.recordHeaderBytes - 1)
        let lines = (0..<count).map { _ in self.text(length) }
        let ref = self.random.pick(self.refs)
        switch way {
        case .framed:
            try self.rig.append(lines, to: ref)
            self.texts[ref, default: []] += lines
        case .staged:
            try self.rig.append(lines, to: ref, staged: true)
            self.texts[ref, default: []] += lines
        case .routed:
            let routed = lines.map { (text: $0, shard: self.random.below(self.refs.count)) }
            try self.rig.appendRouted(routed, to: ref.stream)
            for (text, shard) in routed { self.texts[self.refs[shard], default: []].append(text) }
        case .parts:
            let stored = lines.reduce(0) { $0 + BatchBody.recordHeaderBytes + 1 + $1.utf8.count }
            self.rig.core.makeRoom(forParts: count, recordBytes: stored)
            let open = self.rig.core.openLSN
            for line in lines {
                let ref = self.random.pick(self.refs)
                let lsn = try self.rig.append([line], to: ref, staged: self.random.chance(1, of: 2)).lsn
                #expect(lsn == open, "a request is not divided")
                self.texts[ref, default: []].append(line)
            }
        }
    }

    /// A text that no other begins like.
    private mutating func text(_ length: Int) -> String {
        self.nextText += 1
        let number = "\(self.nextText) "
        return number + String(repeating: "x", count: max(0, length - number.utf8.count))
    }

    /// Of one lease and of all; refused when too many wait.
    mutating func changeLeases(count: Int) throws {
        for _ in 0..<count {
            let worker = try WorkerID(String(repeating: "w", count: self.random.within(1...256)))
            let owner = LeaseOwner(worker: worker, incarnation: self.random.next())
            let shards = self.random.chance(1, of: 3) ? self.refs : [self.random.pick(self.refs)]
            let changes = shards.map { LeasesAssigned.Change(shard: $0.shard, owner: owner) }
            let refused = self.refusal(of: .assign(self.application, changes))
            #expect(refused == nil || refused?.code == .unavailable)
        }
    }

    private func refusal(of command: LeaseCommand) -> WeirError? {
        do throws(WeirError) {
            try self.rig.core.submit(command, nowMillis: self.rig.now)
            return nil
        } catch {
            return error
        }
    }

    private mutating func changeStreams() throws {
        let command: CatalogCommand
        if self.random.chance(1, of: 2) {
            let hours = Int64(self.random.within(1...500))
            command = .updateStream(self.refs[0].stream, StreamChanges(retentionMillis: hours * 3_600_000))
        } else {
            self.nextText += 1
            command = .createStream(
                name: try StreamName("other-\(self.nextText)"), shards: 1, settings: StreamSettings(limits: .open))
        }
        _ = try self.rig.core.submit(command, nowMillis: self.rig.now)
    }

    private func write(_ name: String) throws {
        while let job = try self.rig.take() {
            #expect(job.fault == nil, "\(name)")
            try job.perform()
            _ = self.rig.core.written(job, nowNanos: self.rig.clock.monotonicNanos)
        }
    }

    /// Everything is written, and there after a start.
    func check(_ name: String) throws {
        try self.write(name)
        let (leases, catalog) = (self.rig.core.leases.encodeSnapshot(), self.rig.core.catalog.encodeSnapshot())
        try self.rig.restart()
        #expect(self.rig.report.damaged.isEmpty, "\(name): \(self.rig.report.lines)")
        #expect(self.rig.core.leases.encodeSnapshot() == leases, "\(name)")
        #expect(self.rig.core.catalog.encodeSnapshot() == catalog, "\(name)")
        for ref in self.refs { #expect(self.rig.read(ref).inOrder == self.texts[ref] ?? [], "\(name), \(ref)") }
    }
}
