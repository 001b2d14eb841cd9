// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Small files in the hidden folder, and files that are read whole.
extension FolderDestination {
    /// Bytes of a file that is read whole.
    private static let readMax = 256 << 20

    private var notesFolder: String { "\(self.staging)/notes" }

    package func keep(_ note: String, _ bytes: [UInt8]) throws(DestinationError) {
        if mkdir(self.notesFolder, 0o777) == 0 {
            try Self.syncFolder(self.staging)
        } else if errno != EEXIST {
            throw Self.error("make", self.notesFolder)
        }
        let (path, next) = ("\(self.notesFolder)/\(note)", "\(self.notesFolder)/.\(note)")
        let file = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard file >= 0 else { throw Self.error("make", next) }
        defer { close(file) }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                pwrite(file, raw.baseAddress.map { $0 + done }, raw.count - done, off_t(done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error("write", next)
            }
            done += count
        }
        guard fsync(file) == 0 else { throw Self.error("sync", next) }
        guard rename(next, path) == 0 else { throw Self.error("name", path) }
        try Self.syncFolder(self.notesFolder)
    }

    package func notes(_ prefix: String) throws(DestinationError) -> [String] {
        try Self.list(self.notesFolder, prefix).map { prefix + $0 }
    }

    package func note(_ name: String) throws(DestinationError) -> [UInt8]? {
        try Self.content("\(self.notesFolder)/\(name)")
    }

    package func forget(_ note: String) throws(DestinationError) {
        let path = "\(self.notesFolder)/\(note)"
        guard unlink(path) == 0 || errno == ENOENT else { throw Self.error("remove", path) }
    }

    package func read(_ path: String) throws(DestinationError) -> [UInt8]? {
        try Self.content("\(self.root)/\(path)")
    }

    private static func content(_ path: String) throws(DestinationError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw Self.error("open", path)
        }
        defer { close(file) }
        var content: [UInt8] = []
        var memory = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = system_read(file, &memory, memory.count)
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.error("read", path)
            }
            content += memory[..<count]
            guard content.count <= Self.readMax else {
                throw DestinationError(.later, "\(path) has more than \(Self.readMax) bytes, which is no manifest")
            }
        }
    }
}

/// `read(2)`, under a name that methods called `read` do not hide.
func system_read(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
