// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Reads indexes and batches of segments from their files and believes nothing of what it reads.
struct SegmentReader {
    let fileSystem: any FileSystem

    /// The index at the end of a full segment.
    func footer(of segment: Segment) throws(WeirError) -> SegmentFooter {
        let name = Segment.fileName(segment.header.file)
        do throws(FileError) {
            let file = try self.fileSystem.open(name, .readDisk)
            guard let footer = try SegmentFooter.read(from: file, useCount: segment.header.useCount) else {
                throw FileError(.io, "the index at the end of \(name) is damaged")
            }
            return footer
        } catch {
            throw WeirError(.damaged, error.description)
        }
    }

    /// Reads the batches one behind the other into one piece of memory and checks each.
    func chunk(of read: DiskRead, _ file: any File) throws(FileError) -> ReadChunk {
        let total = read.entries.reduce(0) { $0 + Int($1.length) }
        let memory = AlignedMemory(uninitialized: LogFormat.padded(max(1, total)))
        if let first = read.entries.map(\.offset).min(), let last = read.entries.map({ $0.offset + $0.length }).max() {
            file.prefetch(at: Int(first), bytes: min(4 << 20, Int(last - first) + (1 << 20)))
        }
        var position = 0
        for entry in read.entries {
            try self.read(entry, read, file, into: memory.raw, at: position)
            position += Int(entry.length)
        }
        return ReadChunk(owner: memory, bytes: UnsafeRawBufferPointer(rebasing: memory.raw[0..<total]))
    }

    private func read(
        _ entry: IndexEntry, _ read: DiskRead, _ file: any File, into memory: UnsafeMutableRawBufferPointer,
        at position: Int
    ) throws(FileError) {
        let target = UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + Int(entry.length)])
        let count = try file.read(at: Int(entry.offset), into: target)
        if count == target.count, Self.isWhole(UnsafeRawBufferPointer(target), entry, read.shard) { return }
        // The page cache may hold what was there before a direct write: look at the disk itself before calling it
        // damage.
        if try self.readDisk(entry, read, into: target) { return }
        let name = Segment.fileName(read.segment.header.file)
        throw FileError(
            .io,
            "damaged: \(name), bytes \(entry.offset)..<\(entry.offset + entry.length), records \(entry.firstIndex) to "
                + "\(entry.endIndex - 1) of \(read.shard.shard): they are not what was written")
    }

    private func readDisk(
        _ entry: IndexEntry, _ read: DiskRead, into target: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> Bool {
        let file = try self.fileSystem.open(Segment.fileName(read.segment.header.file), .readDisk)
        let start = Int(entry.offset) / LogFormat.block * LogFormat.block
        let skip = Int(entry.offset) - start
        let memory = AlignedMemory(uninitialized: LogFormat.padded(skip + target.count))
        guard try file.read(at: start, into: memory.raw) >= skip + target.count else { return false }
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
