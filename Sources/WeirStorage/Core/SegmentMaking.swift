// SPDX-License-Identifier: Apache-2.0

/// Whether segments can be made.
struct SegmentMaking {
    /// One could not be made ahead: the next attempt is with the next look at retention.
    private(set) var isPausing = false
    /// Why one could not be made that a commit waits for.
    private(set) var failure: FileError?

    mutating func pause() { self.isPausing = true }
    mutating func resume() { self.isPausing = false }
    mutating func fail(_ error: FileError) { self.failure = error }
    mutating func succeeded() { self.failure = nil }
    mutating func unblock() { self.failure = nil }
}
