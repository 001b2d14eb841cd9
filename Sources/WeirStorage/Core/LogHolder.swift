// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// Whoever runs a log: gives it out under its lock. What blocks on files happens between, without the lock.
package protocol LogHolder {
    var fileSystem: any FileSystem { get }
    func withCore<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R
    /// A sentence for the operator, of damage that a reader has met first.
    func tellDamage(_ sentence: String)
}

extension LogHolder {
    package func tellDamage(_ sentence: String) {}

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
                    if read.bytes > request.maxBytes, let claim = request.claim, !claim(read.bytes) {
                        self.withCore { $0.unpin(read.segment) }
                        throw WeirError(
                            .unavailable,
                            "no memory for a batch of \(read.bytes) bytes: others have not taken what they read yet",
                            verdict: .init(maybeStored: false, retry: .after(millis: 100)))
                    }
                    if let result = try self.answer(read, term) { return .success(result) }
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

    /// Reads what was planned in `term`. `nil`: ask again. A recovery knows nothing of the pins of the term before it
    /// and may have used the file again: what is there then is no damage.
    private func answer(_ read: DiskRead, _ term: UInt64) throws(WeirError) -> ReadResult? {
        defer { self.withCore { $0.unpin(read.segment) } }
        do throws(FileError) {
            let found = try SegmentReader(fileSystem: self.fileSystem).read(read, self.readFile(of: read.segment))
            if !found.damaged.isEmpty {
                let sentences: [String]? = self.withCore { core in
                    guard core.term == term else { return nil }
                    return core.note(found.damaged, of: read.shard, areDamagedIn: read.segment)
                }
                guard let sentences else { return nil }
                for sentence in sentences { self.tellDamage(sentence) }
            }
            return read.answer(whole: found.whole, found.chunks)
        } catch {
            try self.refuse(error, unlessNewerThan: term)
            return nil
        }
    }

    /// Loads the index of a full segment into memory. The segment is pinned by the caller's plan and released here.
    private func loadIndex(of segment: Segment, _ term: UInt64) throws(WeirError) {
        defer { self.withCore { $0.unpin(segment) } }
        do throws(FileError) {
            let end = self.withCore { _ in segment.durableEnd }
            let index = try SegmentReader(fileSystem: self.fileSystem).index(of: segment, end: end)
            self.withCore { if $0.term == term { $0.install(index, for: segment) } }
        } catch {
            // The file is gone: nothing of it is there.
            if error.kind == .notFound, self.withCore({ $0.term }) == term {
                return self.withCore { $0.install([:], for: segment) }
            }
            try self.refuse(error, unlessNewerThan: term)
        }
    }

    /// The system refuses to open a file: that says nothing of what is in it, and may pass.
    private func refuse(_ error: FileError, unlessNewerThan term: UInt64) throws(WeirError) {
        guard self.withCore({ $0.term }) == term else { return }
        throw WeirError(
            .unavailable, "a segment cannot be opened for reading: \(error)",
            verdict: .init(maybeStored: false, retry: .after(millis: 1_000)))
    }

    /// `nil` when it is not there any more.
    private func readFile(of segment: Segment) throws(FileError) -> (any File)? {
        do throws(FileError) {
            return try self.withCore { $0.reading.files }.file(segment.header.file, self.fileSystem)
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
    }
}
