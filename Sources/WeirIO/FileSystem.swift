// SPDX-License-Identifier: Apache-2.0
/// What went wrong with a file, with the system's own words.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Kind: Equatable, Sendable {
        case notFound
        case alreadyExists
        case noSpace
        /// The process or the system has no descriptor left to open a file with.
        case noDescriptors
        case notPermitted
        case io
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// The system is short of something that others may give back. It says nothing of the disk or of what is on it, so
    /// nothing is lost by waiting and trying again.
    package var isShortage: Bool {
        switch self.kind {
        case .noSpace, .noDescriptors: true
        case .notFound, .alreadyExists, .notPermitted, .io: false
        }
    }
}

/// How a file is opened.
package enum FileAccess: Equatable, Sendable {
    /// Made new with this size, its blocks reserved; refused when it exists. Writes as `log`.
    case create(bytes: Int)
    /// Block-aligned writes that go past the page cache where that works.
    case log
    /// Reads that may come from the page cache.
    case read
    /// Block-aligned reads of what is on the disk, past the page cache.
    case readDisk
}

/// An open file. Reads and writes of different ranges may run at the same time.
package protocol File: AnyObject, Sendable {
    var size: Int { get }
    /// Fills from `offset`; returns fewer bytes only at the end of the file.
    func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) -> Int
    /// Writes all of `bytes`. Durable when `sync` has returned. After a failure of either, nothing may be assumed of
    /// the range, and the file is not written again.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError)
    func sync() throws(FileError)
    func truncate(to bytes: Int) throws(FileError)
    /// Asks the system to read ahead; may do nothing.
    func prefetch(at offset: Int, bytes: Int)
}

extension File {
    /// As `read`, but a block that the disk does not give counts as zeros: it is no commit, no header and no footer.
    /// Whether that is damage is for those to say who know what was acknowledged. Returns the bytes of such blocks too.
    ///
    /// For reads at block boundaries. Any other failure than one of the disk is thrown.
    package func readAround(
        at offset: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws(FileError) -> (count: Int, unreadable: Int) {
        do throws(FileError) {
            return (try self.read(at: offset, into: bytes), 0)
        } catch {
            guard error.kind == .io else { throw error }
        }
        guard bytes.count > DiskBlock.bytes else {
            let count = max(0, min(bytes.count, self.size - offset))
            UnsafeMutableRawBufferPointer(rebasing: bytes[0..<count]).initializeMemory(as: UInt8.self, repeating: 0)
            return (count, count)
        }
        let middle = DiskBlock.padded(bytes.count / 2)
        let first = try self.readAround(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<middle]))
        guard first.count == middle else { return first }
        let second = try self.readAround(
            at: offset + middle, into: UnsafeMutableRawBufferPointer(rebasing: bytes[middle...]))
        return (middle + second.count, first.unreadable + second.unreadable)
    }
}

/// The data folder. The only way to the disk: production has the real one, the simulator one that forgets what was not
/// synced.
package protocol FileSystem: Sendable {
    /// What is said of the folder in messages.
    var name: String { get }
    func list() throws(FileError) -> [String]
    func open(_ name: String, _ access: FileAccess) throws(FileError) -> any File
    /// Durable only after `syncFolder`.
    func rename(_ name: String, to newName: String) throws(FileError)
    func remove(_ name: String) throws(FileError)
    func syncFolder() throws(FileError)
    func space() throws(FileError) -> (free: Int64, total: Int64)
    /// Gives the folder up, so that another process may take it.
    func release()
}

extension FileSystem {
    /// The whole of a small file, as it is on the disk.
    package func contents(of name: String, limit: Int = 1 << 30) throws(FileError) -> [UInt8] {
        let file = try self.open(name, .read)
        guard file.size <= limit else { throw FileError(.io, "\(name) has \(file.size) bytes, more than \(limit)") }
        let memory = AlignedMemory(bytes: DiskBlock.padded(max(1, file.size)))
        let size = file.size
        let count = try file.read(at: 0, into: UnsafeMutableRawBufferPointer(rebasing: memory.raw[0..<size]))
        guard count == size else { throw FileError(.io, "\(name) ends at \(count) of \(size) bytes") }
        return Array(memory.raw[0..<size])
    }

    /// Writes a small file so that it is there whole or not at all: beside, synced, renamed, folder synced.
    package func replace(_ name: String, with bytes: [UInt8]) throws(FileError) {
        let temporary = name + ".new"
        if try self.list().contains(temporary) { try self.remove(temporary) }
        let file = try self.open(temporary, .create(bytes: 0))
        let padded = AlignedMemory(bytes: DiskBlock.padded(max(1, bytes.count)))
        bytes.withUnsafeBytes { padded.raw.copyMemory(from: $0) }
        try file.write(UnsafeRawBufferPointer(padded.raw), at: 0)
        try file.truncate(to: bytes.count)
        try file.sync()
        try self.rename(temporary, to: name)
        try self.syncFolder()
    }
}
