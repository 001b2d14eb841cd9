// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Catalog {
    /// Changes the machine by one event that `plan` returned or that the log replays. An event that does not fit is
    /// refused with a sentence, and nothing changes.
    package mutating func apply(_ event: CatalogEvent) throws(CatalogMismatch) {
        try self.apply(event, checking: { _ in nil })
    }

    /// As at replay: also refuses a resharding whose end indexes are not the log's next indexes of those shards.
    package mutating func apply(
        _ event: CatalogEvent, nextIndex: (ShardRef) -> UInt64
    ) throws(CatalogMismatch) {
        try self.apply(event, checking: { nextIndex($0) })
    }

    private mutating func apply(
        _ event: CatalogEvent, checking nextIndex: (ShardRef) -> UInt64?
    ) throws(CatalogMismatch) {
        guard EventTime.millis.contains(event.atMillis), event.atMillis >= self.lastEventMillis else {
            throw CatalogMismatch(
                "an event of \(event.stream) at \(event.atMillis) ms follows one at \(self.lastEventMillis) ms")
        }
        switch event {
        case .streamCreated(let event): try self.create(event)
        case .streamUpdated(let event): try self.update(event)
        case .streamDeleted(let event): try self.delete(event)
        case .horizonRaised(let event): try self.raise(event)
        case .resharded(let event): try self.reshard(event, checking: nextIndex)
        case .shardsExpired(let event): try self.expire(event)
        case .streamCapped(let event): try self.cap(event)
        case .attributesChanged(let event): try self.change(event)
        }
        self.version += 1
        self.lastEventMillis = event.atMillis
    }

    private func present(_ id: StreamID) throws(CatalogMismatch) -> StreamState {
        guard let stream = self.streams[id] else { throw CatalogMismatch("an event of \(id), which is not there") }
        return stream
    }

    private mutating func create(_ event: StreamCreated) throws(CatalogMismatch) {
        guard event.stream.rawValue == self.nextStream else {
            throw CatalogMismatch("\(event.stream) was created where stream#\(self.nextStream) is next")
        }
        guard self.idsByName[event.name] == nil else {
            throw CatalogMismatch("\(event.stream) was created as '\(event.name)', a name that is taken")
        }
        guard Limits.shardsPerStream.contains(event.shards), event.creationSecond <= EventTime.secondMax else {
            throw CatalogMismatch(
                "\(event.stream) was created with \(event.shards) shards at second \(event.creationSecond)")
        }
        try Self.check(event.settings, of: event.stream)
        let stream = StreamState(event)
        self.streams[stream.id] = stream
        self.enter(stream.name, stream.id)
        self.nextStream += 1
        self.openShardCount += stream.shards.count
        self.listedShardCount += stream.shards.count
    }

    mutating func enter(_ name: StreamName, _ stream: StreamID) {
        self.idsByName[name] = stream
        self.names.insert(name, at: self.namePosition(after: name))
    }

    mutating func strike(_ name: StreamName) {
        self.idsByName[name] = nil
        self.names.remove(at: self.namePosition(after: name) - 1)
    }

    private mutating func update(_ event: StreamUpdated) throws(CatalogMismatch) {
        try Self.check(event.settings, of: event.stream)
        try self.checkHorizon(event.horizonMillis, of: try self.present(event.stream))
        self.streams[event.stream]?.settings = event.settings
        self.streams[event.stream]?.horizonMillis = event.horizonMillis
    }

    private mutating func delete(_ event: StreamDeleted) throws(CatalogMismatch) {
        let stream = try self.present(event.stream)
        self.deletedSecond = max(self.deletedSecond, stream.lastCreationSecond)
        self.streams[stream.id] = nil
        self.strike(stream.name)
        self.openShardCount -= stream.map.shards.count
        self.listedShardCount -= stream.shards.count
        self.attributeBytes -= stream.attributes.bytes
    }

    private mutating func change(_ event: AttributesChanged) throws(CatalogMismatch) {
        guard event.owner == .stream else {
            throw CatalogMismatch("attributes of \(event.owner) came to the catalog, which keeps those of streams")
        }
        var attributes = try self.present(event.stream).attributes
        self.attributeBytes -= attributes.bytes
        for change in event.changes { attributes.apply(change) }
        self.attributeBytes += attributes.bytes
        self.streams[event.stream]?.attributes = attributes
    }

    private mutating func raise(_ event: HorizonRaised) throws(CatalogMismatch) {
        try self.checkHorizon(event.horizonMillis, of: try self.present(event.stream))
        self.streams[event.stream]?.horizonMillis = event.horizonMillis
    }

    private mutating func cap(_ event: StreamCapped) throws(CatalogMismatch) {
        let stream = try self.present(event.stream)
        guard event.position > stream.cappedPosition else {
            throw CatalogMismatch(
                "the size cap of \(stream.id) would go from position \(stream.cappedPosition) to \(event.position): it "
                    + "only rises")
        }
        self.streams[event.stream]?.cappedPosition = event.position
    }

    private mutating func reshard(
        _ event: Resharding, checking nextIndex: (ShardRef) -> UInt64?
    ) throws(CatalogMismatch) {
        let before = try self.present(event.stream)
        let after = try before.resharded(by: event, checking: nextIndex)
        self.streams[event.stream] = after
        self.openShardCount += after.map.shards.count - before.map.shards.count
        self.listedShardCount += after.shards.count - before.shards.count
    }

    private mutating func expire(_ event: ShardsExpired) throws(CatalogMismatch) {
        let before = try self.present(event.stream)
        let after = try before.expiring(event)
        self.streams[event.stream] = after
        self.listedShardCount += after.shards.count - before.shards.count
    }

    private static func check(_ settings: StreamSettings, of stream: StreamID) throws(CatalogMismatch) {
        do { try settings.validate() } catch { throw CatalogMismatch("settings of \(stream): \(error.message)") }
    }

    private func checkHorizon(_ millis: Int64, of stream: StreamState) throws(CatalogMismatch) {
        guard EventTime.millis.contains(millis), millis >= stream.horizonMillis else {
            throw CatalogMismatch(
                "the horizon of \(stream.id) would go from \(stream.horizonMillis) to \(millis) ms: it only rises")
        }
    }
}
