// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// Reads indexes and batches of segments from their files and believes nothing of what it reads.
struct SegmentReader {
    let fileSystem: any FileSystem

    /// What lies in a full segment: its footer says it. Where the footer is damaged the commits do, each of which is
    /// read. `end`: where the last one ends.
    func index(of segment: Segment, end: Int) throws(FileError) -> [ShardRef: ShardIndex] {
        let file = try self.fileSystem.open(Segment.fileName(segment.header.file), .readDisk)
        var index: [ShardRef: ShardIndex] = [:]
        do throws(FileError) {
            if let footer = try SegmentFooter.read(from: file, useCount: segment.header.useCount) {
                for shard in footer.shards { index[ShardRef(stream: shard.stream, shard: shard.shard)] = shard.index }
                return index
            }
        } catch {
            guard error.kind == .io else { throw error }
        }
        var entries: [ShardRef: [IndexEntry]] = [:]
        var scan = SegmentScan(header: segment.header, file: file)
        var offset = SegmentHeader.bytes
        while offset < end {
            // A block that cannot be read is a block without a commit.
            guard let found = try? scan.commit(at: offset), case .commit(let header, let bytes) = found else {
                offset += LogFormat.block
                continue
            }
            _ = CommitContents.forEachBatch(header, bytes) { placement, position in
                entries[ShardRef(stream: placement.stream, shard: placement.shard), default: []].append(
                    IndexEntry(
                        firstIndex: placement.firstIndex, arrivalMillis: placement.arrivalMillis,
                        offset: UInt32(offset + position), length: UInt32(placement.totalLength),
                        count: UInt32(placement.count)))
            }
            offset += header.paddedLength
        }
        for (shard, entries) in entries {
            for entry in entries.sorted(by: { $0.firstIndex < $1.firstIndex }) {
                index[shard, default: ShardIndex()].append(entry)
            }
        }
        return index
    }

    /// What was found of the batches of a read.
    struct Found {
        /// The first whole ones, one behind the other.
        var whole = 0..<0
        /// Those in front of them.
        var damaged: [IndexEntry] = []
        var chunks: [ReadChunk] = []
    }

    /// Reads batches one behind the other into one piece of memory and checks each. Passes over damaged ones in front
    /// and ends at the first behind a whole one. `file`: `nil` when it is not there any more.
    func read(_ read: DiskRead, _ file: (any File)?) throws(FileError) -> Found {
        let total = read.entries.reduce(0) { $0 + Int($1.length) }
        guard let file else { return Found(whole: read.entries.count..<read.entries.count, damaged: read.entries) }
        let memory = AlignedMemory(uninitialized: LogFormat.padded(max(1, total)))
        if let first = read.entries.map(\.offset).min(), let last = read.entries.map({ $0.offset + $0.length }).max() {
            file.prefetch(at: Int(first), bytes: min(4 << 20, Int(last - first) + (1 << 20)))
        }
        var found = Found()
        var position = 0
        for (number, entry) in read.entries.enumerated() {
            let target = UnsafeMutableRawBufferPointer(rebasing: memory.raw[position..<position + Int(entry.length)])
            if try self.read(entry, read, file, into: target) {
                position += target.count
                found.whole = found.whole.lowerBound..<number + 1
            } else if found.whole.isEmpty {
                found.damaged.append(entry)
                found.whole = number + 1..<number + 1
            } else {
                break
            }
        }
        if position > 0 {
            found.chunks = [ReadChunk(owner: memory, bytes: UnsafeRawBufferPointer(rebasing: memory.raw[0..<position]))]
        }
        return found
    }

    /// Whether the batch is what was written.
    private func read(
        _ entry: IndexEntry, _ read: DiskRead, _ file: any File, into target: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Bool {
        if let count = try? file.read(at: Int(entry.offset), into: target), count == target.count,
            Self.isWhole(UnsafeRawBufferPointer(target), entry, read.shard)
        {
            return true
        }
        // The page cache may hold what was there before a direct write: look at the disk itself before calling it
        // damage.
        return try self.readDisk(entry, read, into: target)
    }

    private func readDisk(
        _ entry: IndexEntry, _ read: DiskRead, into target: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Bool {
        let file = try self.fileSystem.open(Segment.fileName(read.segment.header.file), .readDisk)
        let start = Int(entry.offset) / LogFormat.block * LogFormat.block
        let skip = Int(entry.offset) - start
        let memory = AlignedMemory(uninitialized: LogFormat.padded(skip + target.count))
        // A read that fails is no batch. That the file cannot be opened for want of descriptors says nothing of it.
        guard let count = try? file.read(at: start, into: memory.raw), count >= skip + target.count else {
            return false
        }
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.raw[skip..<skip + target.count]))
        return Self.isWhole(UnsafeRawBufferPointer(target), entry, read.shard)
    }

    /// Whether these bytes are the batch that the index speaks of, with both checksums right.
    private static func isWhole(_ raw: UnsafeRawBufferPointer, _ entry: IndexEntry, _ shard: ShardRef) -> Bool {
        guard let placement = try? Placement(reading: raw), placement.stream == shard.stream,
            placement.shard == shard.shard, placement.firstIndex == entry.firstIndex,
            placement.totalLength == raw.count
        else { return false }
        let body = raw.slice(Placement.bytes, placement.bodyLength)
        guard let header = try? BatchBody.header(of: body), header.bodyLength == body.count else { return false }
        return BatchBody.checksumMatches(body, header)
    }
}
