// SPDX-License-Identifier: Apache-2.0
import CWeir

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How commits reach the disk.
package enum WriteMode: String, Sendable, CaseIterable {
    /// Direct where the file system allows it, else buffered; found out at start.
    case automatic = "auto"
    /// O_DIRECT and O_DSYNC: past the page cache, durable when the write returns.
    case direct
    /// Through the page cache, then fdatasync.
    case buffered
}

/// A real folder.
package struct PosixFileSystem: FileSystem {
    package let name: String
    /// `.direct` or `.buffered`.
    package let mode: WriteMode
    private let lock: FolderLock
    private let folder: OpenFolder

    package static let lockName = "weir.lock"

    /// Makes the folder when it is missing, locks it against a second process, and finds out how to write.
    package init(folder: String, mode: WriteMode) throws(FileError) {
        self.name = folder
        try Self.makeFolder(folder)
        let path = folder + "/" + Self.lockName
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError.system("cannot open", path) }
        guard let lock = FolderLock(descriptor: descriptor) else {
            throw FileError(.notPermitted, "the data folder \(folder) is in use by another weir process")
        }
        self.lock = lock
        self.folder = try OpenFolder(folder)
        switch mode {
        case .direct, .buffered: self.mode = mode
        case .automatic: self.mode = Self.directWorks(in: folder) ? .direct : .buffered
        }
    }

    package static func hasLockFile(_ folder: String) -> Bool { Glibc.access(folder + "/" + Self.lockName, F_OK) == 0 }

    /// Makes what is missing of the path. A folder that a power cut may take away takes its files with it, synced or
    /// not: the name is on the disk when this returns. Nobody but the owner gets in; a folder that is there already
    /// keeps the rights that it has.
    package static func makeFolder(_ path: String) throws(FileError) {
        var folder = path
        while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
        if try Self.makeOne(folder) { return }
        if let slash = folder.lastIndex(of: "/"), slash != folder.startIndex {
            try Self.makeFolder(String(folder[..<slash]))
            if try Self.makeOne(folder) { return }
        }
        throw FileError.system("cannot make the data folder", folder)
    }

    /// False when there is nothing to make it in.
    private static func makeOne(_ folder: String) throws(FileError) -> Bool {
        let parent = folder.lastIndex(of: "/").map { $0 == folder.startIndex ? "/" : String(folder[..<$0]) } ?? "."
        guard mkdir(folder, 0o700) == 0 else {
            if errno == ENOENT { return false }
            guard errno == EEXIST else { throw FileError.system("cannot make the data folder", folder) }
            // A process that was killed may have made it a moment ago. Where the parent is not ours to open, somebody
            // else has made it, and long ago.
            try? Self.syncFolder(parent)
            return true
        }
        do throws(FileError) {
            try Self.syncFolder(parent)
        } catch {
            // The next start must not take it for one whose name is on the disk.
            rmdir(folder)
            throw error
        }
        return true
    }

    /// Tries one direct write: some file systems refuse the open, some the write.
    private static func directWorks(in folder: String) -> Bool {
        let path = folder + "/weir.probe"
        let descriptor = weir_open_direct(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        defer { unlink(path) }
        guard descriptor >= 0 else { return false }
        let file = PosixFile(descriptor: descriptor, path: path, synchronous: true)
        let block = AlignedMemory(bytes: DiskBlock.bytes)
        do {
            try file.write(UnsafeRawBufferPointer(block.raw), at: 0)
            return true
        } catch {
            return false
        }
    }

    package func list() throws(FileError) -> [String] { try Self.list(self.name) }

    package static func list(_ path: String) throws(FileError) -> [String] {
        guard let folder = opendir(path) else { throw FileError.system("cannot list", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != "..", name != Self.lockName { names.append(name) }
        }
        return names.sorted()
    }

    package func open(_ name: String, _ access: FileAccess) throws(FileError) -> any File {
        let path = self.name + "/" + name
        switch access {
        case .create(let bytes):
            let file = try self.openLog(path, O_RDWR | O_CREAT | O_EXCL)
            guard bytes == 0 || weir_fallocate(file.descriptor, 0, Int64(bytes)) == 0 else {
                let error = FileError.system("cannot reserve \(bytes) bytes for", path)
                unlink(path)
                throw error
            }
            return file
        case .log: return try self.openLog(path, O_RDWR)
        case .read, .readDisk:
            let descriptor =
                access == .readDisk && self.mode == .direct
                ? weir_open_direct(path, O_RDONLY, 0) : Glibc.open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw FileError.system("cannot open", path) }
            if access == .readDisk, self.mode != .direct { _ = weir_drop_page_cache(descriptor, 0, 0) }
            return PosixFile(descriptor: descriptor, path: path, synchronous: true)
        }
    }

    private func openLog(_ path: String, _ flags: Int32) throws(FileError) -> PosixFile {
        let direct = self.mode == .direct
        let descriptor = direct ? weir_open_direct(path, flags, 0o600) : Glibc.open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw FileError.system("cannot open", path) }
        return PosixFile(descriptor: descriptor, path: path, synchronous: direct)
    }

    package func rename(_ name: String, to newName: String) throws(FileError) {
        guard Glibc.rename(self.name + "/" + name, self.name + "/" + newName) == 0 else {
            throw FileError.system("cannot rename to \(newName):", self.name + "/" + name)
        }
    }

    package func remove(_ name: String) throws(FileError) {
        guard unlink(self.name + "/" + name) == 0 else {
            throw FileError.system("cannot remove", self.name + "/" + name)
        }
    }

    package func syncFolder() throws(FileError) {
        guard self.folder.sync() else { throw FileError.system("cannot sync the folder", self.name) }
    }

    private static func syncFolder(_ path: String) throws(FileError) {
        guard weir_sync_folder(path) == 0 else { throw FileError.system("cannot sync the folder", path) }
    }

    package func release() { self.lock.release() }

    package func space() throws(FileError) -> (free: Int64, total: Int64) {
        var free: UInt64 = 0
        var total: UInt64 = 0
        guard weir_free_space(self.name, &free, &total) == 0 else {
            throw FileError.system("cannot ask for the free space of", self.name)
        }
        return (Int64(clamping: free), Int64(clamping: total))
    }
}

package final class PosixFile: File {
    package let descriptor: Int32
    private let path: String
    /// A write is durable when it returns.
    private let synchronous: Bool

    package init(descriptor: Int32, path: String, synchronous: Bool) {
        self.descriptor = descriptor
        self.path = path
        self.synchronous = synchronous
    }

    deinit { close(self.descriptor) }

    package var size: Int { Int(lseek(self.descriptor, 0, SEEK_END)) }

    package func read(at offset: Int, into bytes: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        var done = 0
        while done < bytes.count {
            let count = pread(self.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                // A direct read that begins unaligned behind the end of the file has nothing to give.
                if errno == EINVAL, done > 0 { break }
                throw FileError.system("cannot read \(bytes.count) bytes at \(offset) of", self.path)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(self.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw FileError.system("cannot write \(bytes.count) bytes at \(offset) of", self.path)
            }
            done += count
        }
    }

    package func sync() throws(FileError) {
        if self.synchronous { return }
        guard weir_fdatasync(self.descriptor) == 0 else { throw FileError.system("cannot sync", self.path) }
    }

    package func truncate(to bytes: Int) throws(FileError) {
        guard ftruncate(self.descriptor, off_t(bytes)) == 0, fsync(self.descriptor) == 0 else {
            throw FileError.system("cannot cut to \(bytes) bytes", self.path)
        }
    }

    package func prefetch(at offset: Int, bytes: Int) {
        _ = weir_prefetch(self.descriptor, Int64(offset), Int64(bytes))
    }
}

extension FileError {
    package static func system(_ what: String, _ path: String) -> FileError {
        let code = errno
        let kind: Kind =
            switch code {
            case ENOENT: .notFound
            case EEXIST: .alreadyExists
            case ENOSPC, EDQUOT: .noSpace
            case EMFILE, ENFILE: .noDescriptors
            case EACCES, EPERM, EROFS: .notPermitted
            default: .io
            }
        return FileError(kind, "\(what) \(path): \(String(cString: strerror(code)))")
    }
}
