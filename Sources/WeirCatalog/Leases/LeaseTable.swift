// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// An application of a stream: what has a lease table of its own.
package struct ApplicationRef: Hashable, Sendable, CustomStringConvertible {
    package let stream: StreamID
    package let name: ApplicationName

    package init(stream: StreamID, name: ApplicationName) {
        self.stream = stream
        self.name = name
    }

    package var description: String { "application '\(self.name)' of \(self.stream)" }
}

/// A row of the lease table: one shard for one application (KCL's columns, contract 4.1, as far as they are not the
/// shard's own).
package struct LeaseRow: Hashable, Sendable {
    package internal(set) var owner: LeaseOwner?
    /// Rises whenever the owner changes or the row is reset: what checkpoints and reads are fenced by.
    package internal(set) var counter: UInt64
    package internal(set) var checkpoint: LeaseCheckpoint
    package internal(set) var ownerSwitches: UInt32 = 0
    package internal(set) var reset: LeaseDescription.Reset?

    init(checkpoint: LeaseCheckpoint, counter: UInt64 = 0) {
        self.checkpoint = checkpoint
        self.counter = counter
    }

    package var isFinished: Bool { self.checkpoint == .shardEnd }
}

/// The lease table of all applications of a log, and the registered consumers: a machine without I/O, clock or
/// randomness, changed by logged events only.
///
/// Kept beside the catalog and not inside it: readers see the catalog as a value of an earlier moment, and a table that
/// changes with every checkpoint would be copied with every checkpoint.
package struct LeaseTable: Sendable {
    package struct Application: Sendable {
        package let createdAtMillis: Int64
        package internal(set) var rows: [ShardNumber: LeaseRow]
    }

    package internal(set) var applications: [ApplicationRef: Application] = [:]
    /// When each consumer of a stream was registered, in milliseconds since 1970.
    package internal(set) var consumers: [StreamID: [ConsumerName: Int64]] = [:]
    package internal(set) var rowCount = 0

    package init() {}

    package func application(_ ref: ApplicationRef) -> Application? { self.applications[ref] }

    package func row(_ ref: ApplicationRef, _ shard: ShardNumber) -> LeaseRow? {
        self.applications[ref]?.rows[shard]
    }

    /// The applications of a stream, by name.
    package func applications(of stream: StreamID) -> [ApplicationRef] {
        self.applications.keys.filter { $0.stream == stream }.sorted { $0.name < $1.name }
    }

    /// The consumers of a stream, by name.
    package func consumers(of stream: StreamID) -> [(name: ConsumerName, createdAtMillis: Int64)] {
        (self.consumers[stream] ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    package func isRegistered(_ consumer: ConsumerName, of stream: StreamID) -> Bool {
        self.consumers[stream]?[consumer] != nil
    }

    /// Whether a shard may be processed: all its parents that still have a row are finished.
    package func mayBegin(_ shard: ShardDescription, of ref: ApplicationRef) -> Bool {
        guard let rows = self.applications[ref]?.rows else { return false }
        return shard.parents.allSatisfy { rows[$0]?.isFinished ?? true }
    }
}
