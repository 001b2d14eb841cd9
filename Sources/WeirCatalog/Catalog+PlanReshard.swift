// SPDX-License-Identifier: Apache-2.0
package import WeirModel

extension Catalog {
    func planSplit(
        _ stream: StreamState, _ number: ShardNumber, at key: HashKey?, now: Int64,
        nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        let shard = try stream.open(number, toBe: "split")
        let (lower, upper) = (shard.range.lower.value, shard.range.upper.value)
        // Kinesis' rule (docs/kinesis-semantics.md, Resharding): above the first key + 1 and below the last.
        guard shard.range.canBeSplit else {
            throw WeirError(
                .invalidArgument,
                "\(number) of stream '\(stream.name)' has only the \(upper - lower + 1) keys \(shard.range): "
                    + "too few to be split")
        }
        let cut = key ?? shard.range.middle
        guard cut.value > lower + 1, cut.value < upper else {
            throw WeirError(
                .invalidArgument,
                "\(number) of stream '\(stream.name)' cannot be split at \(cut); allowed is "
                    + "\(lower + 2) to \(upper - 1)")
        }
        guard stream.map.shards.count < Limits.shardsPerStream.upperBound else {
            throw WeirError(
                .limitExceeded,
                "stream '\(stream.name)' has \(stream.map.shards.count) open shards; "
                    + "\(Limits.shardsPerStream.upperBound) are allowed")
        }
        var plan = ReshardPlan(stream, atMillis: self.eventMillis(now))
        _ = try plan.split(plan.piece(of: shard, nextIndex: nextIndex), at: cut)
        return try self.events(of: plan, openDelta: 1)
    }

    func planMerge(
        _ stream: StreamState, _ one: ShardNumber, _ other: ShardNumber, now: Int64,
        nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        guard one != other else {
            throw WeirError(.invalidArgument, "\(one) of stream '\(stream.name)' cannot be merged with itself")
        }
        let first = try stream.open(one, toBe: "merged")
        let second = try stream.open(other, toBe: "merged")
        guard first.range.isJustBelow(second.range) || second.range.isJustBelow(first.range) else {
            throw WeirError(
                .invalidArgument,
                "\(one) and \(other) of stream '\(stream.name)' are not neighbours: only shards whose ranges touch can "
                    + "be merged, and theirs are \(first.range) and \(second.range)")
        }
        var plan = ReshardPlan(stream, atMillis: self.eventMillis(now))
        _ = try plan.merge(
            plan.piece(of: first, nextIndex: nextIndex), plan.piece(of: second, nextIndex: nextIndex))
        return try self.events(of: plan, openDelta: -1)
    }

    func planRescale(
        _ stream: StreamState, to count: Int, now: Int64, nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        try Self.checkShardCount(count)
        var plan = ReshardPlan(stream, atMillis: self.eventMillis(now))
        let delta = count - stream.map.shards.count
        try self.checkRoom(open: delta, listed: 0)
        try plan.rescale(stream.map.shards, to: HashKeyRange.tiling(count), nextIndex: nextIndex)
        return plan.steps.isEmpty ? [] : try self.events(of: plan, openDelta: delta)
    }

    func planRenumber(
        _ stream: StreamState, now: Int64, nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) -> [CatalogEvent] {
        var plan = ReshardPlan(stream, atMillis: self.eventMillis(now))
        for shard in stream.map.shards where shard.range.canBeSplit {
            let halves = try plan.split(plan.piece(of: shard, nextIndex: nextIndex), at: shard.range.middle)
            _ = try plan.merge(halves.lower, halves.upper)
        }
        return plan.steps.isEmpty ? [] : try self.events(of: plan, openDelta: 0)
    }

    private func events(of plan: ReshardPlan, openDelta: Int) throws(WeirError) -> [CatalogEvent] {
        try self.checkRoom(open: openDelta, listed: plan.childCount)
        return [
            .resharded(Resharding(stream: plan.stream.id, atMillis: plan.atMillis, steps: plan.steps))
        ]
    }
}

extension HashKeyRange {
    /// Whether a key is left to split at: above the first key + 1 and below the last
    /// (docs/kinesis-semantics.md, Resharding).
    package var canBeSplit: Bool { self.upper.value - self.lower.value >= 3 }

    /// Where it is split in the middle.
    var middle: HashKey { HashKey(self.lower.value + (self.upper.value - self.lower.value) / 2 + 1) }
}

extension StreamState {
    fileprivate func open(_ number: ShardNumber, toBe done: String) throws(WeirError) -> ShardDescription {
        let shard = try self.listed(number)
        guard shard.isOpen else {
            throw WeirError(
                .invalidArgument, "\(number) of stream '\(self.name)' is closed: only open shards can be \(done)")
        }
        return shard
    }
}
