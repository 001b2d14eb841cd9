// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A data folder to look at: nothing is made, written or removed. Held against a server that would change it meanwhile,
/// where the folder has a lock file.
struct ReadOnlyFolder: FileSystem {
    let name: String
    private let lock: FolderLock?

    init(_ folder: String) throws(FileError) {
        self.name = folder
        guard let opened = opendir(folder) else { throw FileError.system("cannot open the data folder", folder) }
        closedir(opened)
        let path = folder + "/" + PosixFileSystem.lockName
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            self.lock = nil
            return
        }
        guard let lock = FolderLock(descriptor: descriptor) else {
            throw FileError(.notPermitted, "the data folder \(folder) is in use by a weir process: stop it first")
        }
        self.lock = lock
    }

    func list() throws(FileError) -> [String] { try PosixFileSystem.list(self.name) }

    func open(_ name: String, _ access: FileAccess) throws(FileError) -> any File {
        let path = self.name + "/" + name
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError.system("cannot open", path) }
        return PosixFile(descriptor: descriptor, path: path, synchronous: true)
    }

    private var refusal: FileError { FileError(.notPermitted, "\(self.name) is only looked at") }
    func rename(_ name: String, to newName: String) throws(FileError) { throw self.refusal }
    func remove(_ name: String) throws(FileError) { throw self.refusal }
    func syncFolder() throws(FileError) { throw self.refusal }
    func space() throws(FileError) -> (free: Int64, total: Int64) { throw self.refusal }
    func release() {}
}
