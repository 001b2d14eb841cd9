// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// `weir verify` is content with a folder exactly when a start is: whatever became of the folder's files.
@Suite struct VerifyAndStartTests {
    /// A log with rolls, snapshots, dropped and recycled segments, crashes and clean stops, and how its folder looked
    /// on the way: at any moment, as a copy of a running folder takes it.
    private final class History {
        var random: SplitMix64
        let rig: LogRig
        private var refs: [ShardRef]
        private(set) var images: [[String: [UInt8]]] = []

        init(seed: UInt64) throws {
            self.random = SplitMix64(seed: seed)
            self.rig = try LogRig(SimFileSystem(seed: seed))
            self.refs = [
                try self.rig.create("busy", Self.oneHour), try self.rig.create("quiet", shards: 2, Self.oneHour),
            ]
            for step in 0..<self.random.within(10...80) {
                try self.play(step)
                if self.random.chance(1, of: 3) { self.images.append(self.rig.disk.image) }
            }
            if self.random.chance(1, of: 3) { try self.rig.stop() }
            self.images.append(self.rig.disk.image)
        }

        /// So that segments are dropped and used again.
        private static let oneHour = StreamSettings(retentionMillis: 3_600_000, limits: .open)

        private func play(_ step: Int) throws {
            let ref = self.random.pick(self.refs)
            switch self.random.weighted([12, 10, 6, 6, 3, 2, 2, 1, 2, 1]) {
            case 0:
                for number in 0..<self.random.within(1...8) {
                    try self.rig.put(["\(step)/\(number)" + self.text], to: ref)
                }
            case 1: try self.rig.fill(segments: self.random.within(1...2), to: ref, "\(step)")
            case 2: try self.rig.settle()
            case 3: try self.rig.retain()
            case 4: try self.rig.closeIdle()
            case 5: try self.rig.restart(powerCut: self.random.chance(1, of: 2))
            case 6: try self.crashInFlight(ref)
            case 7: try self.rig.recoverInProcess()
            case 8:
                try self.rig.stop()
                try self.rig.restart(powerCut: false)
            default: self.refs.append(try self.rig.create("stream-\(step)", Self.oneHour))
            }
            self.rig.clock.advance(millis: Int64(self.random.below(900_000)))
        }

        private var text: String { " " + String(repeating: "x", count: self.random.below(6000)) }

        /// Two commits are on their way; each has arrived, or has not.
        private func crashInFlight(_ ref: ShardRef) throws {
            for _ in 0..<2 {
                try self.rig.append(["in flight" + self.text], to: ref)
                guard let job = try self.rig.take() else { continue }
                if self.random.chance(1, of: 2) { try job.write() }
            }
            if self.random.chance(1, of: 2) { self.images.append(self.rig.disk.image) }
            try self.rig.restart(powerCut: self.random.chance(1, of: 2))
        }
    }

    private enum Damage: CaseIterable {
        case none
        case earlierCopy
        case earlierUse
        case mixedCopies
        case swapped
        case removed
        case truncated
        case snapshotRemoved
        case allSnapshotsRemoved
        case tornEnd
        case blankBlock
        case flip

        /// A start reads only the footers of what its snapshot covers, and not what it has two of: there `verify` finds
        /// more.
        var isWhereAStartLooks: Bool { ![.blankBlock, .flip].contains(self) }
    }

    /// What became of a folder; `nil` where nothing can become of it in that way.
    private func damaged(_ damage: Damage, _ history: History) -> [String: [UInt8]]? {
        let at = history.random.chance(1, of: 2) ? history.images.count - 1 : history.random.below(history.images.count)
        var image = history.images[at]
        let earlier = history.images[..<at]
        let segments = image.keys.filter { $0.hasPrefix("segment-") }.sorted()
        let snapshots = image.keys.filter { $0.hasPrefix("snapshot-") }.sorted()
        let name = history.random.pick(segments)
        switch damage {
        case .none: break
        case .earlierCopy:
            let copies = earlier.compactMap { $0[name] }.filter { $0 != image[name] }
            guard !copies.isEmpty else { return nil }
            image[name] = history.random.pick(copies)
        case .earlierUse:
            let copies = segments.flatMap { name in
                earlier.compactMap { $0[name] }.filter { Self.use($0) < Self.use(image[name] ?? []) }.map { (name, $0) }
            }
            guard !copies.isEmpty else { return nil }
            let (name, copy) = history.random.pick(copies)
            image[name] = copy
        case .mixedCopies:
            for name in image.keys.sorted() where history.random.chance(1, of: 3) {
                if let copy = earlier.suffix(3).compactMap({ $0[name] }).first { image[name] = copy }
            }
        case .swapped:
            let other = history.random.pick(segments)
            guard other != name else { return nil }
            (image[name], image[other]) = (image[other], image[name])
        case .removed: image[name] = nil
        case .truncated:
            let count = image[name]?.count ?? 0
            let blocks = count / LogFormat.block
            let bytes =
                history.random.chance(2, of: 3)
                ? history.random.below(blocks + 1) * LogFormat.block : history.random.below(count + 1)
            image[name] = image[name].map { Array($0.prefix(bytes)) }
        case .snapshotRemoved:
            guard !snapshots.isEmpty else { return nil }
            image[history.random.pick(snapshots)] = nil
        case .allSnapshotsRemoved:
            guard !snapshots.isEmpty else { return nil }
            for name in snapshots { image[name] = nil }
        case .tornEnd:
            // Of the last segment in the order of replay that holds a commit.
            let rig = Self.lastCommit(of: image)
            guard let (name, commit) = rig else { return nil }
            let from = commit.lowerBound + history.random.below(commit.count)
            for position in from..<commit.upperBound { image[name]?[position] = 0 }
        case .blankBlock:
            let blocks = (image[name]?.count ?? 0) / LogFormat.block
            guard blocks > 0 else { return nil }
            let start = history.random.below(blocks) * LogFormat.block
            for position in start..<start + LogFormat.block { image[name]?[position] = 0 }
        case .flip:
            let name = history.random.pick(image.keys.sorted())
            guard let count = image[name]?.count, count > 0 else { return nil }
            image[name]?[history.random.below(count)] ^= 1 << UInt8(history.random.below(8))
        }
        return image
    }

    private static func use(_ bytes: [UInt8]) -> UInt32 { Self.header(bytes)?.useCount ?? 0 }

    private static func header(_ bytes: [UInt8]) -> SegmentHeader? {
        guard bytes.count >= SegmentHeader.bytes else { return nil }
        return bytes.withUnsafeBytes { raw in
            [0, LogFormat.block].compactMap { try? SegmentHeader(reading: raw.slice($0, LogFormat.block)) }
                .max { $0.useCount < $1.useCount }
        }
    }

    private static func lastCommit(of image: [String: [UInt8]]) -> (name: String, bytes: Range<Int>)? {
        let segments = image.compactMap { name, bytes in Self.header(bytes).map { (name, bytes, $0) } }
            .sorted { $0.2.order > $1.2.order }
        for (name, bytes, segment) in segments {
            let last = bytes.withUnsafeBytes { raw -> Range<Int>? in
                var last: Range<Int>?
                var offset = SegmentHeader.bytes
                while offset + LogFormat.block <= raw.count {
                    let here = UnsafeRawBufferPointer(rebasing: raw[offset...])
                    guard let header = try? CommitHeader(reading: here), header.useCount == segment.useCount,
                        header.checksumMatches(here)
                    else { break }
                    last = offset..<offset + header.paddedLength
                    offset += header.paddedLength
                }
                return last
            }
            if let last { return (name, last) }
        }
        return nil
    }

    /// What a start says is damaged, or why it does not start.
    private func start(_ image: [String: [UInt8]]) throws -> [String] {
        do throws(StorageError) {
            let report = try Recovery.run(
                SimFileSystem(image: image), LogRig.small, clock: ManualClock(), pool: BufferPool(keep: 1),
                start: .process(newLogID: 1)
            ).report
            let mended = report.lines.filter { $0.contains("it was written again from the headers") }
            return report.damaged.map(\.description) + mended
        } catch {
            return [error.message]
        }
    }

    @Test func verifyIsContentExactlyWhenAStartIs() throws {
        var numbers = SystemRandomNumberGenerator()
        let first = UInt64.random(in: 0...UInt64.max, using: &numbers)
        print("seed \(first)")
        var played: [Damage: Int] = [:]
        var found: [Damage: Int] = [:]
        var recycled = 0
        for round in 0..<UInt64(12) {
            let seed = first &+ round
            let history = try History(seed: seed)
            if history.images.contains(where: { $0.values.contains { Self.use($0) > 1 } }) { recycled += 1 }
            for damage in Damage.allCases + Damage.allCases {
                guard let image = self.damaged(damage, history) else { continue }
                let said = try self.start(image)
                let report = try Verifier.run(SimFileSystem(image: image))
                let isContent = report.findings.isEmpty
                played[damage, default: 0] += 1
                if !said.isEmpty { found[damage, default: 0] += 1 }
                guard damage.isWhereAStartLooks ? isContent == said.isEmpty : !isContent || said.isEmpty else {
                    Issue.record("seed \(seed), \(damage): a start says \(said), verify \(report.findings)")
                    return
                }
                if damage == .none { #expect(isContent, "seed \(seed): \(report.findings)") }
            }
        }
        print("\(recycled) histories with segments that were used again")
        print(played.map { "\($0): \(found[$0] ?? 0) of \($1) damaged" }.sorted().joined(separator: ", "))
        for damage in [Damage.earlierCopy, .earlierUse, .removed, .swapped, .truncated] {
            #expect(found[damage] ?? 0 > 0, "\(damage) was never damage")
        }
    }

    /// Shorter than two headers: the start stopped with a trap.
    @Test func aSegmentThatWasCutToItsHeaderIsMissed() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let texts = try rig.fill(segments: 5, to: ref)
        let file = try #require(rig.segmentFiles.dropFirst().first)
        for bytes in [4096, 4097, 8191, 8192, 12_288] {
            let disk = rig.disk.copy { image in image[file.name] = image[file.name].map { Array($0.prefix(bytes)) } }
            let report = try Verifier.run(disk)
            #expect(Set(report.findings.map(\.file)) == [file.name], "\(bytes) bytes")
            let again = try LogRig(disk)
            #expect(again.report.damaged.map(\.file) == [file.name], "\(bytes) bytes")
            let reading = again.read(ref)
            #expect(reading.error == nil)
            #expect(reading.inOrder.count + Int(reading.missed) == texts.count, "\(bytes) bytes")
            #expect(try again.put(["later"], to: ref).firstIndex >= UInt64(texts.count))
        }
    }

    @Test func aSegmentReplacedByAnEarlierCopyOfItselfIsMissed() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        let name = try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        let earlier = try #require(rig.disk.image[name])
        let end = try #require(rig.commits(of: name).last.map { $0.offset + $0.header.paddedLength })
        try rig.fill(segments: 6, to: ref)
        try rig.closeIdle()
        #expect(try Verifier.run(rig.disk.copy()).findings.isEmpty)
        let report = try Verifier.run(rig.disk.copy { $0[name] = earlier })
        #expect(
            report.findings == [
                .init(
                    file: name, offset: end, length: earlier.count - end,
                    problem: "acknowledged commits are damaged or missing here")
            ])
    }

    @Test func whatACrashTearsIsNamedAndIsNoDamage() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.put(["two"], to: ref)
        let name = try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        let last = try #require(rig.commits(of: name).last)
        let report = try Verifier.run(rig.disk.copy { $0[name]?[last.offset + 200] ^= 1 })
        #expect(report.findings.isEmpty)
        #expect(report.torn == [DamagedRange(file: name, offset: last.offset, length: LogFormat.block)])
        #expect(report.commits == rig.commits(of: name).count - 1)
    }

    /// The last commit of a full segment, when nothing behind it tells of it: the footer does.
    @Test func aFooterProvesTheLastCommitOfItsSegment() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.fill(segments: 5, to: ref)
        let segments = rig.segmentFiles.filter { !rig.commits(of: $0.name).isEmpty }
        let full = segments[2]
        let disk = rig.disk.copy { image in
            for name in rig.snapshotFiles { image[name] = nil }
            for later in segments[3...] { image[later.name] = nil }
        }
        #expect(try LogRig(disk.copy()).report.damaged.isEmpty)
        let last = try #require(rig.commits(of: full.name).last)
        for position in [0, 25, 60, 200] {
            let damaged = disk.copy { $0[full.name]?[last.offset + position] ^= 1 }
            let again = try LogRig(damaged.copy())
            #expect(again.report.damaged.map(\.file) == [full.name])
            #expect(again.report.damaged.map(\.offset) == [last.offset])
            #expect(try Verifier.run(damaged).findings.map(\.file) == [full.name])
        }
    }
}
