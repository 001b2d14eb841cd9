// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Catalog {
    /// Why a stream that the catalog does not have is not there: it was deleted, or never was.
    package func missing(_ id: StreamID) -> WeirError {
        self.wasDeleted(id)
            ? WeirError(.streamDeleted, "the stream was deleted") : .noStream("with the id \(id.rawValue)")
    }
}

extension WeirError {
    /// `which`: its name in quotes, or words that stand behind "stream".
    package static func noStream(_ which: String) -> WeirError {
        WeirError(.streamNotFound, "stream \(which) does not exist")
    }
}
