// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Whoever runs a log: gives it out under its lock. What blocks on files happens between, without the lock.
package protocol LogHolder {
    var fileSystem: any FileSystem { get }
    func withCore<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R
}

extension LogHolder {
    /// Reads from index, memory or disk, on the calling thread.
    package func readNow(_ request: ReadRequest) -> Result<ReadResult, WeirError> {
        do throws(WeirError) {
            while true {
                let (step, term) = try self.withCore { core throws(WeirError) in
                    (try core.read(request, pinning: true), core.term)
                }
                switch step {
                case .done(let result): return .success(result)
                case .index(let segment): try self.loadIndex(of: segment, term)
                case .disk(let read):
                    defer { self.withCore { $0.unpin(read.segment) } }
                    do throws(WeirError) {
                        return .success(read.result([try self.chunk(of: read)]))
                    } catch {
                        try self.rethrow(error, unlessNewerThan: term)
                    }
                }
            }
        } catch {
            return .failure(error)
        }
    }

    /// Finds where an iterator begins, on the calling thread.
    package func resolveNow(
        _ type: ShardIteratorType, in shard: ShardRef, nowMillis: Int64
    ) -> Result<UInt64, WeirError> {
        do throws(WeirError) {
            while true {
                let (start, term) = try self.withCore { core throws(WeirError) in
                    let start = try core.resolve(type, in: shard, nowMillis: nowMillis)
                    if case .needsIndex(let segment) = start { segment.pins += 1 }
                    return (start, core.term)
                }
                switch start {
                case .at(let index): return .success(index)
                case .needsIndex(let segment): try self.loadIndex(of: segment, term)
                }
            }
        } catch {
            return .failure(error)
        }
    }

    /// A recovery knows nothing of the pins of the term before it and may have used the file again: then it is no
    /// damage, and the new term is asked.
    private func rethrow(_ error: WeirError, unlessNewerThan term: UInt64) throws(WeirError) {
        guard self.withCore({ $0.term }) > term else { throw error }
    }

    /// Loads a footer into memory. The segment is pinned by the caller's plan and released here.
    private func loadIndex(of segment: Segment, _ term: UInt64) throws(WeirError) {
        defer { self.withCore { $0.unpin(segment) } }
        do throws(WeirError) {
            let footer = try SegmentReader(fileSystem: self.fileSystem).footer(of: segment)
            self.withCore { $0.installIndex(footer, for: segment) }
        } catch {
            try self.rethrow(error, unlessNewerThan: term)
        }
    }

    private func chunk(of read: DiskRead) throws(WeirError) -> ReadChunk {
        do throws(FileError) {
            let file = try self.readFile(of: read.segment)
            return try SegmentReader(fileSystem: self.fileSystem).chunk(of: read, file)
        } catch {
            throw WeirError(.damaged, error.description)
        }
    }

    private func readFile(of segment: Segment) throws(FileError) -> any File {
        if let file = self.withCore({ _ in segment.readFile }) { return file }
        let file = try self.fileSystem.open(Segment.fileName(segment.header.file), .read)
        self.withCore { _ in segment.readFile = file }
        return file
    }
}
