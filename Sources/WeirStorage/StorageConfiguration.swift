// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog

package struct StorageConfiguration: Sendable {
    package var folder: String
    package var writeMode = WriteMode.automatic
    /// Bytes that log segments may take on disk; `nil`: the smaller of 20 GiB and 20 % of the disk.
    package var logBytesMax: Int64?
    /// Bytes of acknowledged commits kept in memory for readers.
    package var tailBytes = 64 << 20
    /// Bytes admitted and not yet durable, over which puts are refused as unavailable.
    package var pendingBytesMax = 128 << 20
    /// Bytes of indexes of full segments kept in memory.
    package var indexBytesMax = 64 << 20
    /// Files of segments that readers keep open, at least 1; the longest unused is closed for another one.
    package var readFilesMax = 256
    package var segmentBytesMin = 4 << 20
    package var segmentBytesMax = 256 << 20
    /// Free bytes on the disk under which puts stop; `nil`: the smaller of 2 GiB and 5 % of the disk.
    package var freeBytesFloor: Int64?
    package var bounds = Catalog.Bounds()
    /// The operator says that the clock is right at this start: what has expired by it is deleted without a watch.
    package var trustsClock = false
    package var commitBounds = CommitBounds.standard

    package init(folder: String) { self.folder = folder }
}

/// The store cannot be opened, or cannot go on. The message is one for the operator.
package struct StorageError: Error, Equatable, Sendable, CustomStringConvertible {
    package let message: String
    /// What the system was short of: it may pass. See `FileError.isShortage`.
    package let shortage: FileError.Kind?
    package var description: String { self.message }

    package init(_ message: String) {
        self.message = message
        self.shortage = nil
    }

    /// `message` tells the error, or more.
    init(_ message: String? = nil, for error: FileError) {
        self.message = message ?? error.description
        self.shortage = error.isShortage ? error.kind : nil
    }
}
