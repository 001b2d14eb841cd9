// SPDX-License-Identifier: Apache-2.0

/// Where files go. Calls block their thread. Everything above this knows nothing of folders: a store of objects keeps
/// unfinished files as uploads that it can be asked for, and gives names only where there is nothing yet.
package protocol Destination: Sendable {
    /// A file that nobody sees yet.
    func begin(_ unfinished: String) throws(DestinationError) -> any UnfinishedFile
    /// What was written under this name and is complete on the disk; `nil`: there is none.
    func look(at unfinished: String) throws(DestinationError) -> Stored?
    /// Gives the file its name, unless something has it. The unfinished one is gone then, whichever it was.
    func publish(_ unfinished: String, as path: String) throws(DestinationError) -> Published
    func exists(_ path: String) throws(DestinationError) -> Bool
    /// What stands behind `prefix` in the paths of files that begin with it, as far as the next slash.
    func names(behind prefix: String) throws(DestinationError) -> [String]
    /// The names at these paths survive a crash when it returns.
    func settle(_ paths: [String]) throws(DestinationError)
    /// The same for the names of unfinished files.
    func settleUnfinished() throws(DestinationError)
    func discard(_ unfinished: String) throws(DestinationError)
    /// Names of unfinished files that begin with `prefix`.
    func unfinished(_ prefix: String) throws(DestinationError) -> [String]
    /// What is in a file that has its name; `nil`: there is none.
    func read(_ path: String) throws(DestinationError) -> [UInt8]?
    /// Of a file that has its name; `nil`: there is none.
    func measure(_ path: String) throws(DestinationError) -> Stored?
    /// Keeps a note, in the place of an earlier one of this name. It survives a crash when it returns.
    func keep(_ note: String, _ bytes: [UInt8]) throws(DestinationError)
    /// Names of notes that begin with `prefix`.
    func notes(_ prefix: String) throws(DestinationError) -> [String]
    /// `nil`: there is none.
    func note(_ name: String) throws(DestinationError) -> [UInt8]?
    func forget(_ note: String) throws(DestinationError)
}

package enum Published: Hashable, Sendable {
    case done
    /// Something had the name already.
    case wasThere
    /// There is no such unfinished file.
    case missing
}

package struct Stored: Hashable, Sendable {
    package let bytes: UInt64
    /// CRC-32C.
    package let checksum: UInt32

    package init(bytes: UInt64, checksum: UInt32) {
        self.bytes = bytes
        self.checksum = checksum
    }
}

/// A file that is being written.
package protocol UnfinishedFile: AnyObject {
    var stored: Stored { get }
    /// Behind what is there. When it throws, nothing of it counts, and the same may be tried again.
    func append(_ bytes: UnsafeRawBufferPointer) throws(DestinationError)
    /// All of it survives a crash when it returns. Throws what cannot be tried again: what was written may be lost.
    func sync() throws(DestinationError)
    /// Gives back what it holds of the system; the next call takes it again.
    func rest()
}

/// Why something could not be done at the destination, as a sentence.
package struct DestinationError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// It may work later: a full disk, a folder that is read-only or away.
        case later
        /// What was written is not there any more. The records have to be read again.
        case lost
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
