// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension Catalog {
    /// Every rule that holds between events, by name; the first one broken is thrown. Takes time in proportion to all
    /// listed shards: for tests, the simulator, and what was read from a snapshot.
    package func checkInvariants() throws(CatalogMismatch) {
        try Self.require("names and streams match", self.namesMatchStreams)
        try Self.require("stream ids were given out", self.streams.keys.allSatisfy(self.wasGivenOut))
        try Self.require("counts match", self.countsMatch)
        for stream in self.streams.values.sorted(by: { $0.id < $1.id }) {
            for (name, holds) in stream.invariants(lastEventMillis: self.lastEventMillis) {
                try Self.require("\(name), in \(stream.id)", holds)
            }
        }
    }

    /// Every rule between an earlier state and this one: what only ever rises. For auditors.
    package func checkSuccession(of earlier: Catalog) throws(CatalogMismatch) {
        try Self.require("versions rise", self.version >= earlier.version)
        try Self.require("stream ids are not reused", self.nextStream >= earlier.nextStream)
        try Self.require("creation seconds are not reused", self.deletedSecond >= earlier.deletedSecond)
        for stream in self.streams.values where stream.id.rawValue >= earlier.nextStream {
            try Self.require(
                "\(stream.id) numbers above what was deleted",
                stream.shards.allSatisfy { $0.creationSecond > earlier.deletedSecond })
        }
        try Self.require("event times do not fall", self.lastEventMillis >= earlier.lastEventMillis)
        for before in earlier.streams.values.sorted(by: { $0.id < $1.id }) {
            guard let after = self.streams[before.id] else { continue }
            try Self.require("horizons do not fall, in \(after.id)", after.horizonMillis >= before.horizonMillis)
            try Self.require("size caps do not fall, in \(after.id)", after.cappedPosition >= before.cappedPosition)
            try Self.require("shard numbers are not reused, in \(after.id)", after.nextShard >= before.nextShard)
            try Self.require("map versions rise, in \(after.id)", after.map.version >= before.map.version)
            try Self.require("closed shards stay as they are, in \(after.id)", after.keepsClosedShards(of: before))
        }
    }

    private static func require(_ rule: String, _ holds: Bool) throws(CatalogMismatch) {
        guard holds else { throw CatalogMismatch("the catalog breaks a rule: \(rule)") }
    }

    private var namesMatchStreams: Bool {
        self.names.count == self.streams.count && self.idsByName.count == self.streams.count
            && zip(self.names, self.names.dropFirst()).allSatisfy { $0 < $1 }
            && self.streams.allSatisfy { $0.key == $0.value.id && self.idsByName[$0.value.name] == $0.key }
    }

    private func wasGivenOut(_ id: StreamID) -> Bool { (1..<self.nextStream).contains(id.rawValue) }

    private var countsMatch: Bool {
        self.openShardCount == self.streams.values.reduce(0) { $0 + $1.map.shards.count }
            && self.listedShardCount == self.streams.values.reduce(0) { $0 + $1.shards.count }
            && self.attributeBytes == self.streams.values.reduce(0) { $0 + $1.attributes.bytes }
    }
}

extension StreamState {
    fileprivate func invariants(lastEventMillis: Int64) -> [(name: String, holds: Bool)] {
        [
            ("shards are listed by number", self.shardsAreInOrder),
            ("the open shards tile the key space", self.openShardsTile),
            ("the map shows the open shards", self.mapShowsOpenShards),
            ("parents and children name each other", self.shards.allSatisfy(self.isLinked)),
            ("children begin above every parent", self.shards.allSatisfy(self.beginsAboveParents)),
            ("children take exactly the keys of their parents", self.shards.allSatisfy(self.handsOverItsKeys)),
            ("times are in order", self.shards.allSatisfy { self.timesAreInOrder($0, lastEventMillis) }),
            ("the shards at the horizon tile the key space", self.shardsAtHorizonTile),
        ]
    }

    /// The child that was numbered last is open until another one is, so it never leaves the list.
    private var shardsAreInOrder: Bool {
        guard let last = self.shards.last else { return false }
        return zip(self.shards, self.shards.dropFirst()).allSatisfy { $0.number < $1.number } && last.isOpen
            && UInt64(last.number.rawValue) + 1 == UInt64(self.nextShard)
    }

    private var openShardsTile: Bool { ShardMap.tiles(self.map.shards.map(\.range)) }

    private var mapShowsOpenShards: Bool {
        self.map.stream == self.id
            && self.map.shards == self.shards.filter(\.isOpen).sorted { $0.range.lower < $1.range.lower }
    }

    /// Only expired parents are missing, and no child is: shards expire in the order in which they were closed.
    private func isLinked(_ shard: ShardDescription) -> Bool {
        let children = shard.closed?.children ?? []
        let parentsNameIt = shard.parents.allSatisfy { number in
            guard number < shard.number else { return false }
            guard let parent = self.shard(number) else { return true }
            return parent.closed?.children.contains(shard.number) ?? false
        }
        let childrenNameIt = children.allSatisfy { number in
            guard let parents = self.shard(number)?.parents else { return false }
            return parents.contains(shard.number)
                && Resharding.Step.isAllowed(parents: parents.count, children: children.count)
        }
        return parentsNameIt && childrenNameIt
    }

    private func beginsAboveParents(_ shard: ShardDescription) -> Bool {
        shard.parents.compactMap(self.shard).allSatisfy { parent in
            guard let closed = parent.closed else { return false }
            return shard.creationSecond > parent.creationSecond && shard.firstIndex >= closed.endIndex
                && shard.createdAtMillis == closed.atMillis
        } && (shard.closed.map { $0.endIndex >= shard.firstIndex } ?? true)
    }

    private func handsOverItsKeys(_ shard: ShardDescription) -> Bool {
        let children = (shard.closed?.children ?? []).compactMap(self.shard)
        switch children.count {
        case 2:
            return children[0].range.lower == shard.range.lower && children[1].range.upper == shard.range.upper
                && children[0].range.isJustBelow(children[1].range)
        case 1:
            let parents = children[0].parents.compactMap(self.shard).sorted { $0.range.lower < $1.range.lower }
            return parents.count < 2
                || parents[0].range.isJustBelow(parents[1].range)
                    && children[0].range == HashKeyRange(parents[0].range.lower, parents[1].range.upper)
        default: return shard.isOpen
        }
    }

    private func timesAreInOrder(_ shard: ShardDescription, _ lastEventMillis: Int64) -> Bool {
        let closedAt = shard.closed?.atMillis ?? lastEventMillis
        return self.createdAtMillis <= shard.createdAtMillis && shard.createdAtMillis <= closedAt
            && closedAt <= lastEventMillis
    }

    private var shardsAtHorizonTile: Bool {
        ShardMap.tiles(self.shards(.atTrimHorizon).map(\.range).sorted { $0.lower < $1.lower })
    }

    /// Whether each listed shard that `earlier` lists is the same, but for having been closed since.
    fileprivate func keepsClosedShards(of earlier: StreamState) -> Bool {
        earlier.shards.allSatisfy { before in
            guard let after = self.shard(before.number) else {
                return !before.isOpen || self.map.version > earlier.map.version
            }
            return after == before || before.isOpen && after.closed.map { before.closing($0) == after } ?? false
        }
    }
}
