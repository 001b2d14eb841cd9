// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Catalog {
    /// What one event made of a catalog: another one that was the same before becomes the same by it, for the price of
    /// the one stream that changed. It shares that stream's shards with the catalog that it was taken of.
    package struct Step: Sendable {
        package let stream: StreamID
        /// The stream behind the event; `nil`: it was deleted.
        package let state: StreamState?
        /// Shards that the change has copied or made: the memory that a step which waits keeps for itself.
        package let shardsApart: Int
        /// Attributes that it has copied or made.
        package let attributesApart: Int
        fileprivate let version: UInt64
        fileprivate let openShardCount: Int
        fileprivate let listedShardCount: Int
        fileprivate let attributeBytes: Int
        fileprivate let nextStream: UInt64
        fileprivate let deletedSecond: UInt64
        fileprivate let lastEventMillis: Int64
    }

    /// Changes the machine by one event, as `apply`, and returns the step.
    package mutating func step(by event: CatalogEvent) throws(CatalogMismatch) -> Step {
        let before = self.streams[event.stream]
        try self.apply(event)
        let after = self.streams[event.stream]
        return Step(
            stream: event.stream, state: after, shardsApart: Self.shardsApart(before, after),
            attributesApart: event.changesAttributes ? after?.attributes.count ?? 0 : 0, version: self.version,
            openShardCount: self.openShardCount, listedShardCount: self.listedShardCount,
            attributeBytes: self.attributeBytes, nextStream: self.nextStream, deletedSecond: self.deletedSecond,
            lastEventMillis: self.lastEventMillis)
    }

    /// Takes a step of a catalog that was the same as this one before it.
    package mutating func take(_ step: Step) {
        precondition(step.version == self.version + 1, "steps are taken one after the other")
        let before = self.streams.removeValue(forKey: step.stream)
        switch (before, step.state) {
        case (nil, let made?): self.enter(made.name, step.stream)
        case (let gone?, nil): self.strike(gone.name)
        default: break
        }
        if let state = step.state { self.streams[step.stream] = state }
        self.version = step.version
        self.openShardCount = step.openShardCount
        self.listedShardCount = step.listedShardCount
        self.attributeBytes = step.attributeBytes
        self.nextStream = step.nextStream
        self.deletedSecond = step.deletedSecond
        self.lastEventMillis = step.lastEventMillis
    }

    /// Shards that this catalog holds and does not share with `other`. For tests.
    package func shardCount(apartFrom other: Catalog) -> Int {
        self.streams.reduce(0) { $0 + Self.shardsApart(other.streams[$1.key], $1.value) }
    }

    private static func shardsApart(_ before: StreamState?, _ after: StreamState?) -> Int {
        guard let after else { return 0 }
        let listed = after.shards.count(apartFrom: before?.shards ?? ShardList())
        return after.map === before?.map ? listed : listed + after.map.shards.count
    }
}

extension CatalogEvent {
    fileprivate var changesAttributes: Bool {
        if case .attributesChanged = self { true } else { false }
    }
}
