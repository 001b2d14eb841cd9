// SPDX-License-Identifier: Apache-2.0

/// Whether segments can be made. `Failure` says why not.
package struct SegmentMaking<Failure> {
    /// One could not be made ahead: the next attempt is with the next look at retention.
    package private(set) var isPausing = false
    /// Why one could not be made that a commit waits for.
    package private(set) var failure: Failure?

    package init() {}

    package mutating func pause() { self.isPausing = true }
    package mutating func resume() { self.isPausing = false }
    package mutating func fail(_ failure: Failure) { self.failure = failure }
    package mutating func succeeded() { self.failure = nil }
    package mutating func unblock() { self.failure = nil }
}
