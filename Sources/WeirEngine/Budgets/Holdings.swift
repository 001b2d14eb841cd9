// SPDX-License-Identifier: Apache-2.0

/// What one connection makes the node hold, beside the records on their way: bytes by kind, under one bound that all
/// connections share.
///
/// Each connection has a small part for itself, so that nobody is kept from talking by what others hold. What goes
/// beyond comes from the budget of the node. The question is asked before something is made, and what was made is
/// counted as it is: a connection goes over the bound by one answer at most.
package struct Holdings {
    package enum Kind: Int, CaseIterable, Sendable {
        /// Answers that wait for the log.
        case waiting
        /// Requests that are kept as they came, until they may be answered.
        case parked
        /// Reads, heartbeats and other requests that have begun and wait for the log, for records or for news.
        case underWay
        /// Input that waits for the connection to go on.
        case input
        /// Answers that were written and have not left, as far as it was looked: small ones are looked at together.
        case unread
    }

    /// Of each connection, for itself.
    package static let ownBytes = 32 << 10
    /// Requests are kept as they are while so many bytes of answers wait for the log.
    package static let waitingBytesMax = 1 << 20
    /// Heartbeats are answered a little longer: their answers have a place that others cannot fill.
    package static let heartbeatBytesMax = 3 << 20
    /// What a request costs beside its payload, and what one that has begun costs: a guess that is not too low.
    package static let requestBytes = 256

    private let budget: MemoryBudget
    private var held = [Int](repeating: 0, count: Kind.allCases.count)
    package private(set) var bytes = 0
    /// What of `bytes` is reserved in the node's budget.
    private var shared = 0
    private var isClosed = false

    /// Holds nothing yet. Ask `close` before it goes.
    package init(_ budget: MemoryBudget) { self.budget = budget }

    package subscript(kind: Kind) -> Int { self.held[kind.rawValue] }

    /// Whether more may be made for this connection.
    package var mayGrow: Bool {
        self.bytes < Self.ownBytes || self.budget.reservedBytes < self.budget.bytesMax
    }

    /// So many bytes of this kind are there now.
    package mutating func set(_ kind: Kind, _ bytes: Int) {
        precondition(bytes >= 0, "nobody holds less than nothing")
        if self.isClosed { return }
        let before = self.held[kind.rawValue]
        if before == bytes { return }
        self.held[kind.rawValue] = bytes
        self.bytes += bytes - before
        let shared = max(0, self.bytes - Self.ownBytes)
        if shared > self.shared {
            self.budget.reserveAnyway(shared - self.shared)
        } else if shared < self.shared {
            self.budget.release(self.shared - shared)
        }
        self.shared = shared
    }

    package mutating func change(_ kind: Kind, by bytes: Int) { self.set(kind, self[kind] + bytes) }

    /// The connection is gone: what is said of it later counts for nothing.
    package mutating func close() {
        for kind in Kind.allCases { self.set(kind, 0) }
        self.isClosed = true
    }
}
