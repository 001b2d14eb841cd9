// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension StreamState {
    /// A new stream. The event was checked.
    init(_ event: StreamCreated) {
        self.id = event.stream
        self.name = event.name
        self.settings = event.settings
        self.createdAtMillis = event.atMillis
        self.horizonMillis = 0
        self.cappedPosition = 0
        let shards = HashKeyRange.tiling(event.shards).enumerated().map { position, range in
            ShardDescription(
                number: ShardNumber(UInt32(position)), range: range, parents: [],
                creationSecond: event.creationSecond, firstIndex: 0, createdAtMillis: event.atMillis, closed: nil)
        }
        self.shards = ShardList(shards)
        self.map = ShardMap(stream: event.stream, version: 1, open: shards)
        self.nextShard = UInt32(event.shards)
    }

    /// The stream after the steps. Every step is checked against the shards as the step before it left them.
    func resharded(
        by event: Resharding, checking nextIndex: (ShardRef) -> UInt64?
    ) throws(CatalogMismatch) -> StreamState {
        guard !event.steps.isEmpty else { throw CatalogMismatch("a resharding of \(self.id) without a step") }
        var after = self
        for step in event.steps {
            try after.take(step, atMillis: event.atMillis, firstChild: self.nextShard, checking: nextIndex)
        }
        // Each step replaced ranges by the same keys, so the open shards still tile. Of the listed ones, which may be
        // many more, only those that the event names are looked at.
        let closed = Set(event.steps.flatMap { $0.parents.map(\.number) })
        let opened = event.steps.flatMap(\.children).filter { !closed.contains($0.number) }
        let open = self.map.shards.filter { !closed.contains($0.number) } + opened.compactMap { after.shard($0.number) }
        after.map = ShardMap(stream: self.id, version: self.map.version + 1, open: open)
        return after
    }

    private mutating func take(
        _ step: Resharding.Step, atMillis: Int64, firstChild: UInt32, checking nextIndex: (ShardRef) -> UInt64?
    ) throws(CatalogMismatch) {
        if let fault = step.fault { throw CatalogMismatch("\(fault), in \(self.id)") }
        var parents: [ShardDescription] = []
        for parent in step.parents {
            guard let shard = self.shard(parent.number), shard.isOpen else {
                throw CatalogMismatch("\(parent.number) of \(self.id) is closed where it is not open")
            }
            // A shard that this event opened has no record; of the others the log knows the end.
            let ref = ShardRef(stream: self.id, shard: parent.number)
            let expected = parent.number.rawValue >= firstChild ? shard.firstIndex : nextIndex(ref)
            guard parent.endIndex >= shard.firstIndex, expected.map({ $0 == parent.endIndex }) ?? true else {
                throw CatalogMismatch(
                    "\(ref) is closed at index \(parent.endIndex); its next one is \(expected ?? shard.firstIndex)")
            }
            parents.append(shard)
        }
        try self.check(step.children, of: parents, endIndexes: step.parents.map(\.endIndex))
        let closing = step.children.map(\.number)
        for (parent, shard) in zip(step.parents, parents) {
            self.shards.replace(
                shard.closing(.init(endIndex: parent.endIndex, atMillis: atMillis, children: closing)))
        }
        for child in step.children {
            self.shards.append(
                ShardDescription(
                    number: child.number, range: child.range, parents: step.parents.map(\.number),
                    creationSecond: child.creationSecond, firstIndex: child.firstIndex, createdAtMillis: atMillis,
                    closed: nil))
        }
        self.nextShard += UInt32(step.children.count)
    }

    /// The children must be the next numbers, take exactly the parents' keys, and begin above them.
    private func check(
        _ children: [Resharding.Child], of parents: [ShardDescription], endIndexes: [UInt64]
    ) throws(CatalogMismatch) {
        let ranges = parents.map(\.range).sorted { $0.lower < $1.lower }
        guard let lowest = ranges.first, let highest = ranges.last, let first = children.first,
            let last = children.last,
            ranges.count == 1 || lowest.isJustBelow(highest), first.range.lower == lowest.lower,
            last.range.upper == highest.upper
        else {
            throw CatalogMismatch("in \(self.id), \(children.map(\.range)) is not what \(ranges) becomes")
        }
        guard UInt64(self.nextShard) + UInt64(children.count) <= UInt64(UInt32.max) else {
            throw CatalogMismatch("\(self.id) has used up its shard numbers")
        }
        let secondMin = parents.reduce(0) { max($0, $1.creationSecond) } + 1
        let firstIndex = endIndexes.reduce(0) { max($0, $1) }
        for (offset, child) in children.enumerated() {
            guard child.number.rawValue == self.nextShard + UInt32(offset) else {
                throw CatalogMismatch("\(child.number) of \(self.id) where \(ShardNumber(self.nextShard)) is next")
            }
            guard child.creationSecond >= secondMin, child.firstIndex == firstIndex else {
                throw CatalogMismatch(
                    "\(child.number) of \(self.id) begins at second \(child.creationSecond) and index "
                        + "\(child.firstIndex); after its parents it begins at \(secondMin) or later and \(firstIndex)")
            }
        }
    }

    /// The stream without the shards: closed, past their retention, hidden, and with no parent that stays listed.
    func expiring(_ event: ShardsExpired) throws(CatalogMismatch) -> StreamState {
        let expired = Set(event.shards)
        guard !expired.isEmpty, expired.count == event.shards.count else {
            throw CatalogMismatch("an expiry in \(self.id) names no shard, or one twice")
        }
        for number in event.shards {
            guard let shard = self.shard(number), let closed = shard.closed else {
                throw CatalogMismatch("\(number) of \(self.id) expires and is not a closed shard")
            }
            guard self.hasExpired(shard, atMillis: event.atMillis), closed.atMillis <= self.horizonMillis else {
                throw CatalogMismatch(
                    "\(number) of \(self.id), closed at \(closed.atMillis) ms, expires at \(event.atMillis) ms with a "
                        + "retention of \(self.settings.retentionMillis) ms and the horizon at \(self.horizonMillis) ms"
                )
            }
            for parent in shard.parents where !expired.contains(parent) && self.shard(parent) != nil {
                throw CatalogMismatch("\(number) of \(self.id) expires before its parent \(parent)")
            }
        }
        var after = self
        after.shards.remove(expired.sorted())
        return after
    }
}

extension ShardDescription {
    func closing(_ closed: Closing) -> ShardDescription {
        ShardDescription(
            number: self.number, range: self.range, parents: self.parents, creationSecond: self.creationSecond,
            firstIndex: self.firstIndex, createdAtMillis: self.createdAtMillis, closed: closed)
    }
}
