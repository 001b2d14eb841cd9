// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Catalog {
    /// Decides what a command means now, and changes nothing. No event means that all is already as asked.
    ///
    /// `nowMillis` is the log's stamp of this moment, in milliseconds since 1970. `destroyMillis` is its time for what
    /// cannot be undone: hidden for ever, or taken off a list because of its age; `nil` where both are the same.
    /// `nextIndex` gives the next index of an open shard, which the log owns: it is the end index of a shard that a
    /// resharding closes. `attributeBytesElsewhere` are those of applications and consumers, which share the bound of
    /// the node.
    package func plan(
        _ command: CatalogCommand, nowMillis: Int64, destroyMillis: Int64? = nil, attributeBytesElsewhere: Int = 0,
        nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        let now = EventTime.clamp(nowMillis)
        let destroy = min(now, EventTime.clamp(destroyMillis ?? nowMillis))
        switch command {
        case .createStream(let name, let shards, let settings):
            return try self.planCreate(name, shards: shards, settings, now: now)
        case .updateStream(let id, let changes):
            return try self.planUpdate(self.existing(id), changes, now: now, destroy: destroy)
        case .trimStream(let id, let beforeMillis):
            let stream = try self.existing(id)
            guard beforeMillis <= now else {
                throw WeirError(
                    .invalidArgument,
                    "stream '\(stream.name)' cannot be trimmed before \(beforeMillis) ms: now is \(now) ms, and "
                        + "a later time is not allowed")
            }
            return try self.planHorizon(stream, toMillis: beforeMillis, now: now)
        case .deleteStream(let id):
            let stream = try self.existing(id)
            return [.streamDeleted(StreamDeleted(stream: stream.id, atMillis: self.eventMillis(now)))]
        case .splitShard(let id, let number, let key):
            return try self.planSplit(self.existing(id), number, at: key, now: now, nextIndex: nextIndex)
        case .mergeShards(let id, let one, let other):
            return try self.planMerge(self.existing(id), one, other, now: now, nextIndex: nextIndex)
        case .rescale(let id, let count):
            return try self.planRescale(self.existing(id), to: count, now: now, nextIndex: nextIndex)
        case .renumber(let id): return try self.planRenumber(self.existing(id), now: now, nextIndex: nextIndex)
        case .raiseHorizon(let id, let millis):
            return try self.planHorizon(self.existing(id), toMillis: millis, now: now)
        case .capStream(let id, let position):
            let stream = try self.existing(id)
            guard position > stream.cappedPosition else { return [] }
            return [
                .streamCapped(StreamCapped(stream: id, atMillis: self.eventMillis(now), position: position))
            ]
        case .setAttributes(let id, let changes):
            let stream = try self.existing(id)
            let room = Limits.attributeBytesOfNodeMax - self.attributeBytes - attributeBytesElsewhere
            let changes = try stream.attributes.plan(changes, room: room, of: "stream '\(stream.name)'")
            guard !changes.isEmpty else { return [] }
            return [
                .attributesChanged(
                    AttributesChanged(
                        stream: id, atMillis: self.eventMillis(now), owner: .stream, changes: changes))
            ]
        case .expireShards(let id, let numbers):
            return try self.planExpiry(self.existing(id), numbers, now: now, destroy: destroy)
        }
    }

    /// The time of the next event: the clock's, unless the clock went back.
    func eventMillis(_ now: Int64) -> Int64 { max(now, self.lastEventMillis) }

    private func existing(_ id: StreamID) throws(WeirError) -> StreamState {
        if let stream = self.streams[id] { return stream }
        throw self.missing(id)
    }

    private func planCreate(
        _ name: StreamName, shards: Int, _ settings: StreamSettings, now: Int64
    ) throws(WeirError) -> [CatalogEvent] {
        try Self.checkShardCount(shards)
        try settings.validate()
        if self.stream(named: name) != nil {
            throw WeirError(.streamExists, "stream '\(name)' exists already")
        }
        guard self.streams.count < self.bounds.streamsMax, self.nextStream < UInt64(Int64.max) else {
            throw WeirError(.limitExceeded, "the node holds \(self.streams.count) streams; more are not allowed")
        }
        try self.checkRoom(open: shards, listed: shards)
        guard self.deletedSecond < EventTime.secondMax else {
            throw WeirError(
                .limitExceeded, "no stream can be made: sequence numbers hold times up to second \(EventTime.secondMax)"
            )
        }
        let at = self.eventMillis(now)
        return [
            .streamCreated(
                StreamCreated(
                    stream: StreamID(self.nextStream), atMillis: at, name: name, settings: settings, shards: shards,
                    creationSecond: max(UInt64(at) / 1000, self.deletedSecond + 1)))
        ]
    }

    /// A change of retention first stores what the shorter of both hides now: so that an increase brings nothing back.
    private func planUpdate(
        _ stream: StreamState, _ changes: StreamChanges, now: Int64, destroy: Int64
    ) throws(WeirError) -> [CatalogEvent] {
        let settings = changes.applied(to: stream.settings)
        try settings.validate()
        guard settings != stream.settings else { return [] }
        var horizon = stream.horizonMillis
        if settings.retentionMillis != stream.settings.retentionMillis {
            horizon = max(horizon, destroy - min(settings.retentionMillis, stream.settings.retentionMillis))
        }
        return [
            .streamUpdated(
                StreamUpdated(
                    stream: stream.id, atMillis: self.eventMillis(now), settings: settings, horizonMillis: horizon))
        ]
    }

    private func planHorizon(
        _ stream: StreamState, toMillis millis: Int64, now: Int64
    ) throws(WeirError) -> [CatalogEvent] {
        guard millis > stream.horizonMillis else { return [] }
        guard EventTime.millis.contains(millis) else {
            throw WeirError(.invalidArgument, "\(millis) ms is not a time: at most \(EventTime.millis.upperBound)")
        }
        return [
            .horizonRaised(
                HorizonRaised(stream: stream.id, atMillis: self.eventMillis(now), horizonMillis: millis))
        ]
    }

    /// The horizon goes first: what leaves the list is hidden, so listings at the horizon still cover every key.
    private func planExpiry(
        _ stream: StreamState, _ numbers: [ShardNumber], now: Int64, destroy: Int64
    ) throws(WeirError) -> [CatalogEvent] {
        let expired = Set(numbers)
        let inOrder = expired.sorted()
        var horizon: Int64 = 0
        for number in inOrder {
            let shard = try stream.listed(number)
            guard let closed = shard.closed, stream.hasExpired(shard, atMillis: destroy) else {
                throw WeirError(
                    .invalidArgument,
                    "\(number) of stream '\(stream.name)' stays listed: only a shard that was closed longer ago than "
                        + "the retention of \(stream.settings.retentionMillis) ms expires")
            }
            for parent in shard.parents where !expired.contains(parent) && stream.shard(parent) != nil {
                throw WeirError(
                    .invalidArgument, "\(number) of stream '\(stream.name)' expires only with its parent \(parent)")
            }
            horizon = max(horizon, closed.atMillis)
        }
        guard !inOrder.isEmpty else { return [] }
        return try self.planHorizon(stream, toMillis: horizon, now: now) + [
            .shardsExpired(
                ShardsExpired(stream: stream.id, atMillis: self.eventMillis(now), shards: inOrder))
        ]
    }

    static func checkShardCount(_ count: Int) throws(WeirError) {
        guard Limits.shardsPerStream.contains(count) else {
            throw WeirError(
                .invalidArgument,
                "a stream of \(count) shards is not allowed: \(Limits.shardsPerStream.lowerBound) to "
                    + "\(Limits.shardsPerStream.upperBound)")
        }
    }

    /// Whether the node takes so many more shards.
    func checkRoom(open: Int, listed: Int) throws(WeirError) {
        guard self.openShardCount + open <= self.bounds.openShardsMax || open <= 0 else {
            throw WeirError(
                .limitExceeded,
                "the node would have \(self.openShardCount + open) open shards; \(self.bounds.openShardsMax) are "
                    + "allowed")
        }
        guard self.listedShardCount + listed <= self.bounds.listedShardsMax else {
            throw WeirError(
                .limitExceeded,
                "the node would list \(self.listedShardCount + listed) shards; \(self.bounds.listedShardsMax) are "
                    + "allowed, and closed ones leave the list when their retention has passed")
        }
    }
}

extension StreamState {
    /// The shard, open or closed; one that has expired is not found.
    func listed(_ number: ShardNumber) throws(WeirError) -> ShardDescription {
        guard let shard = self.shard(number) else {
            throw WeirError(.shardNotFound, "stream '\(self.name)' has no \(number), or it has expired")
        }
        return shard
    }
}
