// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension Storage {
    func readNow(_ request: ReadRequest) -> Result<ReadResult, WeirError> {
        do throws(WeirError) {
            while true {
                let step = try self.monitor.withLock { running throws(WeirError) in
                    try running.core.read(request, pinning: true)
                }
                switch step {
                case .done(let result): return .success(result)
                case .index(let segment): try self.loadIndex(of: segment)
                case .disk(let read):
                    defer { self.unpin(read.segment) }
                    return .success(read.result([try self.pieces(of: read)]))
                }
            }
        } catch {
            return .failure(error)
        }
    }

    func resolveNow(
        _ type: ShardIteratorType, in shard: ShardRef, nowMillis: Int64
    ) -> Result<UInt64, WeirError> {
        do throws(WeirError) {
            while true {
                let start = try self.monitor.withLock { running throws(WeirError) in
                    let start = try running.core.resolve(type, in: shard, nowMillis: nowMillis)
                    if case .needsIndex(let segment) = start { segment.pins += 1 }
                    return start
                }
                switch start {
                case .at(let index): return .success(index)
                case .needsIndex(let segment): try self.loadIndex(of: segment)
                }
            }
        } catch {
            return .failure(error)
        }
    }

    private func unpin(_ segment: Segment) { self.monitor.withLock { $0.core.unpin(segment) } }

    /// Loads a footer into memory. The segment is pinned by the caller's plan and released here.
    private func loadIndex(of segment: Segment) throws(WeirError) {
        defer { self.unpin(segment) }
        let name = Segment.fileName(segment.header.file)
        do throws(FileError) {
            let file = try self.fileSystem.open(name, .readDisk)
            guard let footer = try SegmentFooter.read(from: file, useCount: segment.header.useCount) else {
                throw FileError(.io, "the index at the end of \(name) is damaged")
            }
            self.withLog { $0.installIndex(footer, for: segment) }
        } catch {
            throw WeirError(.damaged, error.description)
        }
    }

    private func readFile(of segment: Segment) throws(FileError) -> any File {
        if let file = self.monitor.withLock({ _ in segment.readFile }) { return file }
        let file = try self.fileSystem.open(Segment.fileName(segment.header.file), .read)
        self.monitor.withLock { _ in segment.readFile = file }
        return file
    }

    /// Reads the batches one behind the other into one piece of memory and checks each.
    private func pieces(of read: DiskRead) throws(WeirError) -> ReadChunk {
        let total = read.entries.reduce(0) { $0 + Int($1.length) }
        let memory = AlignedMemory(uninitialized: LogFormat.padded(max(1, total)))
        do throws(FileError) {
            let file = try self.readFile(of: read.segment)
            if let first = read.entries.first, let last = read.entries.last {
                let end = Int(last.offset) + Int(last.length)
                file.prefetch(at: Int(first.offset), bytes: min(4 << 20, end - Int(first.offset) + (1 << 20)))
            }
            var position = 0
            for entry in read.entries {
                try self.read(entry, read, file, into: memory.raw, at: position)
                position += Int(entry.length)
            }
        } catch {
            throw WeirError(.damaged, error.description)
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
        // The page cache may hold what was there before a direct write: look at the disk itself before calling it damage.
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
