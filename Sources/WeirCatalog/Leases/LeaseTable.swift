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

/// A row of the lease table: one shard for one application (KCL's columns, as far as they are not the shard's own:
/// docs/kinesis-semantics.md, Leases and checkpoints).
package struct LeaseRow: Hashable, Sendable {
    package internal(set) var owner: LeaseOwner?
    /// How long the owner may be silent before it counts as gone, in milliseconds. `nil` without an owner, and of one
    /// that was given the lease by a version which did not keep it.
    package internal(set) var sessionTimeoutMillis: UInt32?
    /// Rises whenever the owner changes or the row is reset: what checkpoints and reads are fenced by.
    package internal(set) var counter: UInt64
    package internal(set) var checkpoint: LeaseCheckpoint
    /// What whoever holds the lease keeps with it for whoever holds it next. It stays when the checkpoint moves.
    package internal(set) var state: [UInt8] = []
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
        package internal(set) var rows: LeaseRows
        package internal(set) var attributes = Attributes()
        /// `nil`: nobody asks for them.
        fileprivate(set) var news: LeaseNews?

        init(createdAtMillis: Int64, rows: LeaseRows) {
            self.createdAtMillis = createdAtMillis
            self.rows = rows
        }
    }

    /// A registered consumer.
    package struct Consumer: Hashable, Sendable {
        /// When it was registered, in milliseconds since 1970.
        package let createdAtMillis: Int64
        package internal(set) var attributes = Attributes()
    }

    var applications = Applications()
    package internal(set) var consumers: [StreamID: [ConsumerName: Consumer]] = [:]
    package internal(set) var rowCount = 0
    /// Bytes that workers keep with all rows.
    package internal(set) var stateBytes = 0
    /// Bytes of attributes of all applications and consumers.
    package internal(set) var attributeBytes = 0
    /// The highest counter of a row of an application of the stream that was deleted: rows of one that is made anew
    /// begin there, so that no lease ever has the counter of an earlier one of its shard.
    var countersUsed: [StreamID: UInt64] = [:]

    package init() {}

    package func application(_ ref: ApplicationRef) -> Application? { self.applications[ref] }

    package func row(_ ref: ApplicationRef, _ shard: ShardNumber) -> LeaseRow? {
        self.applications[ref]?.rows[shard]
    }

    /// The applications of a stream, by name.
    package func applications(of stream: StreamID) -> [ApplicationRef] {
        self.applications.names(of: stream).sorted().map { ApplicationRef(stream: stream, name: $0) }
    }

    /// Those of all streams, by stream and name.
    package var allApplications: [ApplicationRef] { self.applications.refs }

    /// The consumers of a stream, by name.
    package func consumers(of stream: StreamID) -> [(name: ConsumerName, createdAtMillis: Int64)] {
        (self.consumers[stream] ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value.createdAtMillis) }
    }

    /// `nil` when there is no such application or consumer.
    package func attributes(of owner: AttributesChanged.Owner, _ stream: StreamID) -> Attributes? {
        switch owner {
        case .stream: nil
        case .application(let name): self.applications[ApplicationRef(stream: stream, name: name)]?.attributes
        case .consumer(let name): self.consumers[stream]?[name]?.attributes
        }
    }

    package func isRegistered(_ consumer: ConsumerName, of stream: StreamID) -> Bool {
        self.consumers[stream]?[consumer] != nil
    }

    /// Whether a shard may be processed: all shards that it came of and that still have a row are finished.
    package func mayBegin(_ shard: ShardDescription, of ref: ApplicationRef, in stream: StreamState) -> Bool {
        guard self.applications[ref] != nil else { return false }
        return self.blocker(shard, of: ref, in: stream) == nil
    }

    /// A shard that must be finished before this one is processed; `nil` when there is none. A parent that is finished
    /// says nothing of its own parents: an operator can set one to its end, or take an older one back.
    package func blocker(
        _ shard: ShardDescription, of ref: ApplicationRef, in stream: StreamState
    ) -> ShardNumber? {
        guard let rows = self.applications[ref]?.rows else { return nil }
        var next = shard.parents
        var seen: Set<ShardNumber> = []
        while let ancestor = next.popLast() {
            guard seen.insert(ancestor).inserted else { continue }
            if let row = rows[ancestor], !row.isFinished { return ancestor }
            next += stream.shard(ancestor)?.parents ?? []
        }
        return nil
    }

    // MARK: News

    /// At most `max` shards of which something but their checkpoint has changed since they were last taken, so that
    /// whoever follows the table need not look at all of it. `nil`: nobody had asked yet, and from now on news are
    /// kept.
    package mutating func takeNews(of ref: ApplicationRef, atMost max: Int = .max) -> Set<ShardNumber>? {
        guard let news = self.applications[ref]?.news else {
            self.applications[ref]?.news = LeaseNews()
            return nil
        }
        if news.isEmpty { return [] }
        guard let rows = self.applications[ref]?.rows else { return nil }
        return self.applications[ref]?.news?.take(atMost: max, of: rows)
    }

    package func hasNews(of ref: ApplicationRef) -> Bool { !(self.applications[ref]?.news?.isEmpty ?? true) }

    /// From now on news are kept, and every row that there is is one.
    package mutating func tellEverything(of ref: ApplicationRef) { self.applications[ref]?.news = .everything }

    /// Nobody follows the application any more.
    package mutating func keepNoNews(of ref: ApplicationRef) { self.applications[ref]?.news = nil }

    mutating func note(_ shard: ShardNumber, of ref: ApplicationRef) {
        self.applications[ref]?.news?.insert(shard)
    }

    mutating func noteEverything(of ref: ApplicationRef) {
        if self.applications[ref]?.news != nil { self.applications[ref]?.news?.insertEverything() }
    }
}
