// SPDX-License-Identifier: Apache-2.0
import CWeir

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// An open folder, for syncing what stands in it: a file that was made must get its name on the disk also when no
/// descriptor is left to open the folder with.
final class OpenFolder: Sendable {
    private let descriptor: Int32

    init(_ path: String) throws(FileError) {
        self.descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard self.descriptor >= 0 else { throw FileError.system("cannot open the data folder", path) }
    }

    /// False, with `errno`, when it failed.
    func sync() -> Bool { weir_sync_open_folder(self.descriptor) == 0 }

    deinit { if self.descriptor >= 0 { close(self.descriptor) } }
}

/// The lock of a data folder, held against every other process that asks for it, until `release` or the end of this.
package final class FolderLock: Sendable {
    private let descriptor: Int32

    /// Takes the open lock file over; `nil`, and the file closed, when somebody else holds the lock.
    package init?(descriptor: Int32) {
        guard weir_lock_exclusive(descriptor) == 0 else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
    }

    /// Closing alone would not do: a child between its fork and its exec has the file open too, and so the lock.
    package func release() { _ = flock(self.descriptor, LOCK_UN) }

    deinit {
        self.release()
        close(self.descriptor)
    }
}
