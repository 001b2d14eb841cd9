// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How large commits get. The defaults are the product's; tests draw small ones, so that every border is near.
package struct CommitBounds: Hashable, Sendable {
    /// A commit closes here, in bytes. A request is never divided: the last one may exceed it.
    package let closeBytes: Int
    /// Changes of leases that may wait for the next commit, in bytes of its events.
    package let waitingBytes: Int
    /// Memory that a commit begins with, in bytes: it holds a usual one without growing.
    package let bufferBytes: Int

    package static let standard = CommitBounds(
        closeBytes: Limits.commitBytes, waitingBytes: 1 << 20, bufferBytes: Limits.commitBytes + 64 * 1024)

    /// Bytes that one request may take in a commit, placements and bodies included.
    package static let requestBytesMax = Limits.frameBytesMax + Limits.putRecordsMax * 128

    package init(closeBytes: Int, waitingBytes: Int, bufferBytes: Int) {
        precondition(waitingBytes >= 0 && closeBytes > 0 && bufferBytes > 0, "bounds are positive")
        precondition(
            CommitHeader.bytes + max(closeBytes, waitingBytes + Self.requestBytesMax) <= LogFormat.commitBytesMax,
            "a start reads no commit of more than \(LogFormat.commitBytesMax) bytes")
        self.closeBytes = closeBytes
        self.waitingBytes = waitingBytes
        self.bufferBytes = LogFormat.padded(bufferBytes)
    }
}

extension CommitBounds: CustomStringConvertible {
    package var description: String {
        "commits of \(self.closeBytes) bytes, \(self.waitingBytes) of waiting events, buffers of \(self.bufferBytes)"
    }
}

/// Whether the open commit takes what comes next, or the one after it does. It decides about sizes only and knows no
/// memory: whoever holds the bytes makes room for them.
package struct CommitRoom: Hashable, Sendable {
    private let closeBytes: Int
    /// Up to here there is room whatever the limit: a request that was begun in this commit ends in it.
    private var promised = 0

    package init(_ bounds: CommitBounds) { self.closeBytes = bounds.closeBytes }

    /// Whether `bytes` more belong into a commit of `length` bytes; an empty one takes anything.
    package func takes(_ bytes: Int, after length: Int, isEmpty: Bool) -> Bool {
        isEmpty || length + bytes <= max(self.closeBytes, self.promised)
    }

    /// The next `bytes` belong together, and into this commit.
    package mutating func promise(_ bytes: Int, after length: Int) {
        self.promised = length + bytes
    }
}

/// Changes that came when the open commit held batches already: they open the next one. A checkpoint must not cut a
/// commit short, nor cost one of its own.
package struct WaitingEvents: Sendable {
    package struct Event: Hashable, Sendable {
        package let kind: UInt16
        package let payload: [UInt8]
    }

    package let bytesMax: Int
    private var events: [Event] = []
    /// Bytes that they will take in a commit.
    package private(set) var bytes = 0

    package init(_ bounds: CommitBounds) { self.bytesMax = bounds.waitingBytes }

    package var isEmpty: Bool { self.events.isEmpty }
    package var count: Int { self.events.count }

    /// False when there is no room for it, and nothing changes.
    package mutating func add(kind: UInt16, payload: [UInt8]) -> Bool {
        let length = EventSection.paddedLength(ofPayload: payload.count)
        guard self.bytes + length <= self.bytesMax else { return false }
        self.events.append(Event(kind: kind, payload: payload))
        self.bytes += length
        return true
    }

    /// The next commit has opened: all of them, in the order in which they came.
    package mutating func takeAll() -> [Event] {
        defer {
            self.events.removeAll(keepingCapacity: true)
            self.bytes = 0
        }
        return self.events
    }
}
