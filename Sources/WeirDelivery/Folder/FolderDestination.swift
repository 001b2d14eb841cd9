// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A folder of the file system. Unfinished files lie in a hidden folder in it, as dot-files.
///
/// A file gets its name by a hard link, which fails where something has the name, and then loses its old one: at every
/// moment it has one of them at least.
package final class FolderDestination: Destination {
    package static let hidden = ".weir"
    let root: String
    var staging: String { "\(self.root)/\(Self.hidden)" }

    /// Throws when the folder is not there, or cannot be written to.
    package init(_ root: String) throws(DestinationError) {
        self.root = root
        var status = stat()
        guard stat(root, &status) == 0 else { throw Self.error("find the folder", root) }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw DestinationError(.later, "\(root) is no folder")
        }
        try self.checkAbove()
        try self.makeStaging()
        do {
            // One above may have come meanwhile.
            try self.checkAbove()
        } catch {
            rmdir(self.staging)
            throw error
        }
        guard access(self.staging, W_OK) == 0 else { throw Self.error("write to", self.staging) }
        try self.tryLink()
    }

    /// A delivery into a folder and one into a folder in it could give two files one name: each would take the other's
    /// for its own. Whichever comes second sees the first: the inner one here, the outer one in `makeFolders`.
    private func checkAbove() throws(DestinationError) {
        guard let resolved = realpath(self.root, nil) else { throw Self.error("find the folder", self.root) }
        defer { free(resolved) }
        var above = String(cString: resolved)
        while let slash = above.lastIndex(of: "/"), above != "/" {
            above = slash == above.startIndex ? "/" : String(above[..<slash])
            guard !Self.hasStaging(above) else {
                throw DestinationError(
                    .later,
                    "\(self.root) lies in \(above), into which another delivery writes: deliver into a folder that is "
                        + "beside it, or remove \(above)/\(Self.hidden) when nothing is delivered there any more")
            }
        }
    }

    private static func hasStaging(_ folder: String) -> Bool {
        var status = stat()
        return lstat("\(folder)/\(Self.hidden)", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Files get their names by hard links, which some file systems do not have: better said before there is a file.
    private func tryLink() throws(DestinationError) {
        let (from, to) = ("\(self.staging)/probe-\(getpid())", "\(self.staging)/probe-\(getpid())-link")
        let file = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.error("make", from) }
        close(file)
        defer {
            unlink(from)
            unlink(to)
        }
        guard link(from, to) == 0 || errno == EEXIST else {
            throw Self.error("give files their names by hard links, which the file system must have, in", self.root)
        }
    }

    static func error(
        _ what: String, _ path: String, _ kind: DestinationError.Kind = .later, number: Int32 = errno
    ) -> DestinationError {
        DestinationError(kind, "cannot \(what) \(path): \(String(cString: strerror(number)))")
    }

    private func makeStaging() throws(DestinationError) {
        guard mkdir(self.staging, 0o777) == 0 else {
            if errno == EEXIST { return }
            throw Self.error("make", self.staging)
        }
        try Self.syncFolder(self.root)
    }

    private func unfinishedPath(_ name: String) -> String { "\(self.staging)/.\(name)" }

    package func begin(_ unfinished: String) throws(DestinationError) -> any UnfinishedFile {
        var status = stat()
        guard stat(self.staging, &status) == 0 || errno != ENOENT else {
            // It is not made again: below the place of a file system that is not mounted files would be hidden.
            throw DestinationError(
                .later,
                "\(self.staging) is not there: is the folder moved, or not mounted? If what was in it may be gone, "
                    + "make it anew")
        }
        return try FolderFile(self.unfinishedPath(unfinished))
    }

    package func look(at unfinished: String) throws(DestinationError) -> Stored? {
        // Whoever wrote it may have died before it was on the disk.
        try Self.measure(self.unfinishedPath(unfinished), syncing: true)
    }

    package func measure(_ path: String) throws(DestinationError) -> Stored? {
        try Self.measure("\(self.root)/\(path)", syncing: false)
    }

    private static func measure(_ path: String, syncing: Bool) throws(DestinationError) -> Stored? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.error("open", path)
        }
        defer { close(file) }
        if syncing { guard fsync(file) == 0 else { return nil } }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { memory.deallocate() }
        var (bytes, checksum): (UInt64, UInt32) = (0, 0)
        while true {
            let count = system_read(file, memory.baseAddress, memory.count)
            if count == 0 { return Stored(bytes: bytes, checksum: checksum) }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error("read", path)
            }
            bytes += UInt64(count)
            checksum = weir_crc32c(checksum, memory.baseAddress, count)
        }
    }

    package func publish(_ unfinished: String, as path: String) throws(DestinationError) -> Published {
        let from = self.unfinishedPath(unfinished)
        let to = "\(self.root)/\(path)"
        try self.makeFolders(of: path)
        var result = Published.done
        if link(from, to) != 0 {
            switch errno {
            case EEXIST: result = .wasThere
            case ENOENT:
                var status = stat()
                // Somebody has removed the folder in the meantime, which is made again.
                guard lstat(from, &status) != 0 else { throw Self.error("give its name to", to, number: ENOENT) }
                // Another holder of the lease may have given it its name.
                return try self.exists(path) ? .wasThere : .missing
            default: throw Self.error("give its name to", to)
            }
        }
        guard unlink(from) == 0 || errno == ENOENT else { throw Self.error("remove", from) }
        return result
    }

    package func exists(_ path: String) throws(DestinationError) -> Bool {
        var status = stat()
        if lstat("\(self.root)/\(path)", &status) == 0 { return true }
        guard errno == ENOENT || errno == ENOTDIR else { throw Self.error("look at", "\(self.root)/\(path)") }
        return false
    }

    /// The folders above a path, outermost first; the destination itself is none of them.
    private static func folders(of path: String) -> [String] {
        var folders: [String] = []
        for position in path.indices where path[position] == "/" { folders.append(String(path[..<position])) }
        return folders
    }

    private func makeFolders(of path: String) throws(DestinationError) {
        try Self.make(path, below: self.root)
        for folder in Self.folders(of: path) where Self.hasStaging("\(self.root)/\(folder)") {
            throw DestinationError(
                .later,
                "another delivery writes into \(self.root)/\(folder), which a prefix of this one names too: one of "
                    + "them has to go elsewhere, or \(Self.hidden) there to go when nothing comes there any more")
        }
    }

    /// Makes the folders above `path`, which is a path below `root`. Those that are made are synced into the ones above
    /// them.
    package static func make(_ path: String, below root: String) throws(DestinationError) {
        var parent = root
        for folder in Self.folders(of: path) {
            let full = "\(root)/\(folder)"
            if mkdir(full, 0o777) == 0 {
                try Self.syncFolder(parent)
            } else if errno != EEXIST {
                throw Self.error("make", full)
            }
            parent = full
        }
    }

    package func settle(_ paths: [String]) throws(DestinationError) {
        for folder in Set(paths.map { Self.folders(of: $0).last ?? "" }).sorted() {
            try Self.syncFolder(folder.isEmpty ? self.root : "\(self.root)/\(folder)")
        }
    }

    package func settleUnfinished() throws(DestinationError) {
        var status = stat()
        if stat(self.staging, &status) != 0, errno == ENOENT || errno == ENOTDIR {
            throw Self.error("find", self.staging, .lost)
        }
        try Self.syncFolder(self.staging)
    }

    static func syncFolder(_ path: String) throws(DestinationError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw Self.error("open", path) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw Self.error("sync", path) }
    }

    package func discard(_ unfinished: String) throws(DestinationError) {
        let path = self.unfinishedPath(unfinished)
        guard unlink(path) == 0 || errno == ENOENT else { throw Self.error("remove", path) }
    }

    package func unfinished(_ prefix: String) throws(DestinationError) -> [String] {
        try Self.list(self.staging, "." + prefix).map { prefix + $0 }
    }

    package func names(behind prefix: String) throws(DestinationError) -> [String] {
        let slash = prefix.lastIndex(of: "/")
        let folder = slash.map { "\(self.root)/\(prefix[..<$0])" } ?? self.root
        return try Self.list(folder, String(slash.map { prefix[prefix.index(after: $0)...] } ?? prefix[...]))
    }

    /// What stands behind `prefix` in the names of a folder, in order; none when it is not there.
    static func list(_ path: String, _ prefix: String) throws(DestinationError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT || errno == ENOTDIR { return [] }
            throw Self.error("list", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else {
                guard errno == 0 else { throw Self.error("list", path) }
                return names.sorted()
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix) { names.append(String(name.dropFirst(prefix.count))) }
        }
    }
}
