// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Checks a data folder without changing it: the format file, both headers of each segment, every commit with its
/// padding,
/// the chain, batches and bodies, footers, snapshots. Free space is not judged: it may hold anything.
package struct Verifier {
    private let fileSystem: any FileSystem
    private var report = VerifyReport()
    private var logID: UInt64?

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

    static func run(_ fileSystem: any FileSystem) throws(FileError) -> VerifyReport {
        var verifier = Verifier(fileSystem: fileSystem)
        try verifier.run()
        return verifier.report
    }

    private init(fileSystem: any FileSystem) { self.fileSystem = fileSystem }

    private mutating func find(_ file: String, _ range: Range<Int>, _ problem: String) {
        self.report.findings.append(
            .init(file: file, offset: range.lowerBound, length: range.count, problem: problem))
    }

    private mutating func run() throws(FileError) {
        let names = try self.fileSystem.list()
        do throws(StorageError) {
            let folder = try DataFolder(self.fileSystem)
            self.logID = folder.logID
            if let damage = folder.formatDamage {
                self.find(DataFolder.formatName, 0..<self.formatBytes, damage)
            } else if self.logID == nil {
                self.find(DataFolder.formatName, 0..<0, "the file is missing")
            }
        } catch {
            self.find(DataFolder.formatName, 0..<self.formatBytes, error.message)
        }
        var segments: [(header: SegmentHeader, name: String, file: any File)] = []
        for name in names {
            if let number = Segment.fileNumber(name) {
                let file = try self.fileSystem.open(name, .read)
                if let header = try self.headers(of: file, name, number) { segments.append((header, name, file)) }
            } else if PendingSnapshot.lsn(ofName: name) != nil {
                try self.snapshot(name)
            } else if name != DataFolder.formatName, name != PosixFileSystem.lockName {
                self.report.foreign.append(name)
            }
        }
        segments.sort { $0.header.order < $1.header.order }
        let cuts = TermCuts(segments.map(\.header))
        for segment in segments { try self.segment(segment.header, segment.name, segment.file, cuts) }
    }

    private var formatBytes: Int { (try? self.fileSystem.open(DataFolder.formatName, .read).size) ?? 0 }

    // MARK: Headers

    /// Both copies must be whole; after a crash between the two the second may be that of the use before, or zeros.
    private mutating func headers(of file: any File, _ name: String, _ number: UInt64) throws(FileError)
        -> SegmentHeader?
    {
        self.report.segments += 1
        let blocks = AlignedMemory(bytes: SegmentHeader.bytes)
        _ = try file.readAround(at: 0, into: blocks.raw)
        let raw = UnsafeRawBufferPointer(blocks.raw)
        if raw.allSatisfy({ $0 == 0 }) { return nil }
        var whole: [SegmentHeader] = []
        for copy in 0..<2 {
            let block = raw.slice(copy * LogFormat.block, LogFormat.block)
            let range = copy * LogFormat.block..<(copy + 1) * LogFormat.block
            do throws(FormatError) {
                let header = try SegmentHeader(reading: block)
                whole.append(header)
                if header.file != number || (self.logID.map { $0 != header.logID } ?? false) {
                    self.find(name, range, "the header belongs to another file or log")
                }
            } catch {
                if copy == 1, block.allSatisfy({ $0 == 0 }) { continue }
                self.find(name, range, error.description)
            }
        }
        if whole.count == 2, whole[0] != whole[1], whole[0].useCount <= whole[1].useCount {
            self.find(name, 0..<SegmentHeader.bytes, "the two copies of the header contradict each other")
        }
        return whole.max { $0.useCount < $1.useCount }
    }

    // MARK: Commits

    private mutating func segment(
        _ header: SegmentHeader, _ name: String, _ file: any File, _ cuts: TermCuts
    ) throws(FileError) {
        let footer = try self.footer(header, name, file)
        var scan = SegmentScan(header: header, file: file)
        var offset = SegmentHeader.bytes
        var inSegment: CommitPoint?
        while true {
            if let footer, offset >= Int(clamping: footer.endOffset) { break }
            if case .commit(let commit, let bytes) = try scan.commit(at: offset),
                !cuts.isVoid(commit.lsn, term: commit.term)
            {
                self.commit(commit, bytes, name, offset, after: inSegment)
                inSegment = commit.point
                offset += commit.paddedLength
                continue
            }
            let next = try self.nextCommit(behind: offset, &scan, cuts, above: inSegment)
            if let footer {
                let end = next ?? Int(clamping: footer.endOffset)
                self.find(name, offset..<end, "acknowledged commits are damaged here")
                offset = end
            } else if let next {
                self.find(name, offset..<next, "a commit is damaged here; whole ones follow it")
                offset = next
            } else {
                try self.end(of: header, name, file, offset, &scan)
                break
            }
            inSegment = nil
        }
        self.report.bytes += offset
        if let footer, let last = inSegment, footer.last != last {
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

    /// Behind the last whole commit of a segment without a footer: free space, or a commit that is not whole.
    private mutating func end(
        of header: SegmentHeader, _ name: String, _ file: any File, _ offset: Int, _ scan: inout SegmentScan
    ) throws(FileError) {
        guard offset + LogFormat.block <= file.size else { return }
        let block = AlignedMemory(bytes: LogFormat.block)
        _ = try file.readAround(at: offset, into: block.raw)
        let raw = UnsafeRawBufferPointer(block.raw)
        let likeness = [
            raw.integer(UInt32.self, at: 0) == CommitHeader.magic, raw.integer(UInt32.self, at: 4) == LogFormat.version,
            raw.integer(UInt64.self, at: 8) == header.logID, raw.integer(UInt32.self, at: 84) == header.useCount,
        ]
        guard likeness.filter({ $0 }).count >= 3 else { return }
        if let stale = try? CommitHeader(reading: raw), stale.useCount < header.useCount {
            // Of an earlier use of the file, and whole as such: free space.
            var bytes = AlignedMemory(bytes: stale.paddedLength)
            if offset + stale.paddedLength <= file.size {
                _ = try file.readAround(at: offset, into: bytes.raw)
                if stale.checksumMatches(UnsafeRawBufferPointer(bytes.raw)) { return }
            }
            bytes = block
        }
        self.find(
            name, offset..<offset + LogFormat.block,
            "the last commit is not whole: damaged, or torn by a crash before it was acknowledged")
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
            if SegmentFooter.Trailer.resembles(raw) {
                self.find(name, start..<size, "the block that says where the footer lies is damaged")
            }
            return nil
        }
        guard trailer.useCount == header.useCount else { return nil }
        if !raw.dropFirst(SegmentFooter.Trailer.bytes).allSatisfy({ $0 == 0 }) {
            self.find(name, start..<size, "the padding of the footer's last block is damaged")
        }
        let (offset, length) = (Int(clamping: trailer.offset), Int(clamping: trailer.length))
        let end = offset + LogFormat.padded(max(1, length))
        guard let footer = try SegmentFooter.read(from: file, useCount: header.useCount) else {
            self.find(name, offset..<min(end, size), "the footer is damaged")
            return nil
        }
        let padding = AlignedMemory(bytes: LogFormat.padded(max(1, length)))
        _ = try file.readAround(at: offset, into: padding.raw)
        if !padding.raw[length...].allSatisfy({ $0 == 0 }) {
            self.find(name, offset..<end, "the padding of the footer is damaged")
        }
        return footer
    }

    private mutating func snapshot(_ name: String) throws(FileError) {
        self.report.snapshots += 1
        let bytes = try self.fileSystem.contents(of: name)
        self.report.bytes += bytes.count
        do {
            let snapshot = try bytes.withUnsafeBytes { try SnapshotFile(reading: $0) }
            _ = try snapshot.catalog.withUnsafeBytes { try Catalog(snapshot: $0, bounds: Catalog.Bounds()) }
            _ = try snapshot.leases.withUnsafeBytes { try LeaseTable(snapshot: $0) }
            if let logID, snapshot.logID != logID { self.find(name, 0..<bytes.count, "it belongs to another log") }
        } catch {
            self.find(name, 0..<bytes.count, "\(error)")
        }
    }
}
