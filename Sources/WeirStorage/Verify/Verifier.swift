// SPDX-License-Identifier: Apache-2.0
import WeirIO
import WeirLog
import WeirModel

/// Checks a data folder without changing it.
///
/// What counts, and whether something that was acknowledged is missing, is for a start to say: `FolderExamination` asks
/// it. What a start does not look into is read here: both headers of each segment that counts, every commit with its
/// padding, batches and bodies, footers, all snapshots. Free space is not judged: it may hold anything.
package struct Verifier {
    private let fileSystem: any FileSystem
    private var report = VerifyReport()
    private var logID: UInt64?
    /// What a start finds; `nil` when it is refused before it looks at the log.
    private var examination: FolderExamination?

    /// Throws when the folder cannot be looked at: it does not exist, a server uses it, it is of another format
    /// version.
    package static func run(folder: String) throws(StorageError) -> VerifyReport {
        do throws(FileError) {
            let view = try ReadOnlyFolder(folder)
            try Self.checkHoldsData(view)
            return try Self.run(view)
        } catch {
            throw StorageError(error.description)
        }
    }

    /// A folder in which nothing is Weir's is not damaged: it is another one.
    private static func checkHoldsData(_ folder: ReadOnlyFolder) throws(FileError) {
        let names = try folder.list()
        let isWeirs = names.contains {
            $0 == DataFolder.formatName || Segment.fileNumber($0) != nil || PendingSnapshot.lsn(ofName: $0) != nil
        }
        guard !isWeirs else { return }
        let why = names.first.map { "nothing in it is Weir's (\($0) lies there)" } ?? "it is empty"
        throw FileError(.notFound, "\(folder.name) is no data folder: \(why)")
    }

    /// Of a folder that nobody changes meanwhile.
    package static func run(_ fileSystem: any FileSystem) throws(FileError) -> VerifyReport {
        var verifier = Verifier(fileSystem: fileSystem)
        try verifier.run()
        return verifier.report
    }

    private init(fileSystem: any FileSystem) { self.fileSystem = fileSystem }

    private mutating func find(_ file: String, _ range: Range<Int>, _ problem: String) {
        self.report.findings.append(
            .init(file: file, offset: range.lowerBound, length: range.count, problem: problem))
    }

    private func isFound(_ file: String) -> Bool { self.report.findings.contains { $0.file == file } }

    private mutating func run() throws(FileError) {
        try self.format()
        var headers: [SegmentHeader] = []
        for name in try self.fileSystem.list() {
            if let number = Segment.fileNumber(name) {
                self.report.segments += 1
                let file = try self.fileSystem.open(name, .read)
                if let header = try self.headers(of: file, name, number) { headers.append(header) }
            } else if let lsn = PendingSnapshot.lsn(ofName: name) {
                try self.snapshot(name, lsn)
            } else if name != DataFolder.formatName, name != PosixFileSystem.lockName, !DataFolder.isUnfinished(name) {
                self.report.foreign.append(name)
            }
        }
        let cuts = TermCuts(headers)
        for header in headers.sorted(by: { $0.order < $1.order }) { try self.segment(header, cuts) }
    }

    /// The format file, and with what it says the question to a start.
    private mutating func format() throws(FileError) {
        let folder: DataFolder
        do throws(StorageError) {
            folder = try DataFolder(self.fileSystem)
        } catch {
            self.find(DataFolder.formatName, 0..<self.formatBytes, error.message)
            return
        }
        if let damage = folder.formatDamage {
            self.find(DataFolder.formatName, 0..<self.formatBytes, damage)
        } else if folder.logID == nil {
            self.find(DataFolder.formatName, 0..<0, "the file is missing")
        }
        guard let logID = folder.logID else { return }
        self.logID = logID
        let examination = try FolderExamination(self.fileSystem, folder, logID: logID, self.configuration)
        self.examination = examination
        for damage in examination.report.found {
            let range = damage.range
            self.find(range.file, range.offset..<range.offset + range.length, damage.problem)
        }
        if let refusal = examination.refusal {
            self.find(self.fileSystem.name, 0..<0, "the server does not start: \(refusal)")
        }
        self.report.torn = examination.report.torn
    }

    private var configuration: StorageConfiguration { StorageConfiguration(folder: self.fileSystem.name) }

    private var formatBytes: Int { (try? self.fileSystem.open(DataFolder.formatName, .read).size) ?? 0 }

    // MARK: Headers

    /// Both copies must be whole; after a crash between the two the second may be that of the use before, or zeros.
    private mutating func headers(
        of file: any File, _ name: String, _ number: UInt64
    ) throws(FileError) -> SegmentHeader? {
        let blocks = AlignedMemory(bytes: SegmentHeader.bytes)
        _ = try file.readAround(at: 0, into: blocks.raw)
        let raw = UnsafeRawBufferPointer(blocks.raw)
        var whole: [SegmentHeader] = []
        var damaged: [(range: Range<Int>, problem: String)] = []
        for copy in 0..<2 {
            let block = raw.slice(copy * LogFormat.block, LogFormat.block)
            do throws(FormatError) {
                whole.append(try SegmentHeader(reading: block))
            } catch {
                if copy == 1, block.allSatisfy({ $0 == 0 }) { continue }
                damaged.append((copy * LogFormat.block..<(copy + 1) * LogFormat.block, error.description))
            }
        }
        if whole.count == 2, whole[0] != whole[1], whole[0].useCount <= whole[1].useCount {
            damaged.append((0..<SegmentHeader.bytes, "the two copies of the header contradict each other"))
        }
        if self.examination?.verdict(of: number) != .free, !whole.isEmpty || !self.isFound(name) {
            for (range, problem) in damaged { self.find(name, range, problem) }
        }
        let header = whole.max { $0.useCount < $1.useCount }
        return header?.file == number ? header : nil
    }

    // MARK: Commits

    private mutating func segment(_ header: SegmentHeader, _ cuts: TermCuts) throws(FileError) {
        let verdict = self.examination?.verdict(of: header.file) ?? .open
        guard verdict != .free else { return }
        let name = Segment.fileName(header.file)
        let file = try self.fileSystem.open(name, .read)
        let footer = try self.footer(header, name, file)
        var end = footer.map { Int(clamping: $0.endOffset) }
        if case .counts(let counted) = verdict { end = counted }
        var scan = SegmentScan(header: header, file: file)
        var offset = SegmentHeader.bytes
        var inSegment: CommitPoint?
        while offset < end ?? scan.size {
            if case .commit(let commit, let bytes) = try scan.commit(at: offset),
                !cuts.isVoid(commit.lsn, term: commit.term)
            {
                self.commit(commit, bytes, name, offset, after: inSegment)
                inSegment = commit.point
                offset += commit.paddedLength
                continue
            }
            if let known = self.examination?.damageEnd(name, at: offset) {
                offset = known
            } else if let next = try self.nextCommit(behind: offset, &scan, cuts, above: inSegment) ?? end {
                self.find(name, offset..<max(offset, next), "acknowledged commits are damaged here")
                offset = next
            } else {
                break
            }
            inSegment = nil
        }
        self.report.bytes += min(offset, scan.size)
        if let footer, let last = inSegment, footer.last != last, !self.isFound(name) {
            self.find(name, 0..<offset, "the footer names another last commit than the one that stands there")
        }
    }

    private mutating func commit(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, _ name: String, _ offset: Int, after: CommitPoint?
    ) {
        self.report.commits += 1
        let range = offset..<offset + header.paddedLength
        if let after, header.previous != after {
            self.find(name, range, "the commit does not follow the one before it")
        }
        var records = 0
        let whole = CommitContents.forEachBatch(header, bytes) { placement, position in
            records += placement.count
            let body = bytes.slice(position + Placement.bytes, placement.bodyLength)
            guard let head = try? BatchBody.header(of: body), head.bodyLength == body.count,
                head.count == placement.count,
                BatchBody.checksumMatches(body, head)
            else {
                self.find(name, offset + position..<offset + position + placement.totalLength, "a batch is damaged")
                return
            }
        }
        self.report.batches += header.batchCount
        self.report.records += records
        if !whole { self.find(name, range, "the batches do not fill their section") }
        if let fault = SealedCommit.faultOfEvents(in: bytes, header) { self.find(name, range, fault) }
    }

    /// Where a whole commit of this use stands again, with a higher number than those before.
    private func nextCommit(
        behind offset: Int, _ scan: inout SegmentScan, _ cuts: TermCuts, above: CommitPoint?
    ) throws(FileError) -> Int? {
        var position = offset + LogFormat.block
        while position < scan.size {
            if case .commit(let header, _) = try scan.commit(at: position) {
                if !cuts.isVoid(header.lsn, term: header.term), header.lsn > (above?.lsn ?? .none) { return position }
                position += header.paddedLength
            } else {
                position += LogFormat.block
            }
        }
        return nil
    }

    // MARK: Footers and snapshots

    private mutating func footer(
        _ header: SegmentHeader, _ name: String, _ file: any File
    ) throws(FileError) -> SegmentFooter? {
        let size = file.size
        guard size >= SegmentHeader.bytes + 2 * LogFormat.block, size % LogFormat.block == 0 else { return nil }
        let start = size - LogFormat.block
        let block = AlignedMemory(bytes: LogFormat.block)
        _ = try file.readAround(at: start, into: block.raw)
        let raw = UnsafeRawBufferPointer(block.raw)
        guard let trailer = SegmentFooter.Trailer(reading: raw) else {
            if SegmentFooter.Trailer.resembles(raw) { self.torn(name, start..<size) }
            return nil
        }
        // What stands behind the trailer in its block may be older: the write may have been torn when the power was
        // cut.
        guard trailer.useCount == header.useCount else { return nil }
        let (offset, length) = (Int(clamping: trailer.offset), Int(clamping: trailer.length))
        let end = offset + LogFormat.padded(max(1, length))
        guard let footer = try SegmentFooter.read(from: file, useCount: header.useCount) else {
            self.torn(name, offset..<min(end, size))
            return nil
        }
        let padding = AlignedMemory(bytes: LogFormat.padded(max(1, length)))
        _ = try file.readAround(at: offset, into: padding.raw)
        if !padding.raw[length...].allSatisfy({ $0 == 0 }) {
            self.find(name, offset..<end, "the padding of the footer is damaged")
        }
        return footer
    }

    /// A footer that is not whole, as a power cut leaves it: it was written at once, its trailer with it. It only
    /// repeats what the commits say, and a start writes it again.
    private mutating func torn(_ name: String, _ range: Range<Int>) {
        self.report.torn.append(DamagedRange(file: name, offset: range.lowerBound, length: range.count))
    }

    private mutating func snapshot(_ name: String, _ lsn: LSN) throws(FileError) {
        self.report.snapshots += 1
        let size = try self.fileSystem.open(name, .read).size
        self.report.bytes += size
        guard !self.isFound(name) else { return }
        do {
            _ = try Recovery.snapshot(
                name, lsn: lsn, of: self.logID, in: self.fileSystem, bounds: self.configuration.bounds)
        } catch {
            self.find(name, 0..<size, "\(error)")
        }
    }
}
