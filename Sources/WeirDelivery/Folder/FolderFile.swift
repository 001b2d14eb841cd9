// SPDX-License-Identifier: Apache-2.0
import CWeir

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A dot-file. Writes go to where the last one that succeeded ended, so that one that failed half-way can be repeated.
final class FolderFile: UnfinishedFile {
    private let path: String
    private var descriptor: Int32
    private(set) var stored = Stored(bytes: 0, checksum: 0)

    init(_ path: String) throws(DestinationError) {
        self.path = path
        self.descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard self.descriptor >= 0 else { throw FolderDestination.error("make", path) }
    }

    deinit { self.rest() }

    func rest() {
        if self.descriptor >= 0 { close(self.descriptor) }
        self.descriptor = -1
    }

    private func wake() throws(DestinationError) {
        guard self.descriptor < 0 else { return }
        self.descriptor = open(self.path, O_WRONLY | O_CLOEXEC)
        guard self.descriptor >= 0 else {
            let isGone = errno == ENOENT
            throw FolderDestination.error("open", self.path, isGone ? .lost : .later)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(DestinationError) {
        try self.wake()
        var done = 0
        while done < bytes.count {
            let count = pwrite(
                self.descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done,
                off_t(self.stored.bytes) + off_t(done))
            if count < 0 {
                if errno == EINTR { continue }
                throw FolderDestination.error("write", self.path)
            }
            done += count
        }
        self.stored = Stored(
            bytes: self.stored.bytes + UInt64(bytes.count),
            checksum: weir_crc32c(self.stored.checksum, bytes.baseAddress, bytes.count))
    }

    func sync() throws(DestinationError) {
        try self.wake()
        // A write that failed half-way may have left more behind the end.
        guard ftruncate(self.descriptor, off_t(self.stored.bytes)) == 0 else {
            throw FolderDestination.error("cut", self.path)
        }
        // After a sync that failed nobody knows what is on the disk, and a second one would say that all is well.
        guard fsync(self.descriptor) == 0 else { throw FolderDestination.error("sync", self.path, .lost) }
    }
}
