// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// The shards that a log knows, ahead of the disk as its catalog is; and where each goes on by what is durable.
struct ShardTable {
    private(set) var states: [ShardRef: ShardState] = [:]
    /// Those of the durable shards: what a snapshot stores.
    private(set) var positions = PositionTable()
    /// The open shards of streams that are put to through the server's routing.
    private var known: [StreamID: OpenShards] = [:]
    private var last: OpenShards?

    subscript(ref: ShardRef) -> ShardState? { self.states[ref] }

    mutating func add(_ shard: ShardState) {
        self.states[shard.ref] = shard
        shard.slot = self.positions.add(shard.ref.stream, shard.ref.shard, nextIndex: shard.durableEnd)
    }

    /// Takes a shard from puts. Readers may still know it.
    mutating func take(_ ref: ShardRef) -> ShardState? { self.states.removeValue(forKey: ref) }

    /// That the shard was taken is durable.
    mutating func forget(_ shard: ShardState) {
        if let slot = shard.slot { self.positions.remove(slot) }
        shard.slot = nil
    }

    /// Records of the shard are on the disk up to `end`.
    mutating func publish(_ shard: ShardState, end: UInt64) {
        shard.durableEnd = end
        if let slot = shard.slot { self.positions.set(slot, nextIndex: end) }
    }

    /// Other shards of the stream are open than before.
    mutating func changed(_ stream: StreamID) {
        self.known[stream] = nil
        if self.last?.map.stream == stream { self.last = nil }
    }

    /// The open shards of a stream; the same object until they change.
    mutating func open(of stream: StreamState) -> OpenShards {
        if let last = self.last, last.map === stream.map { return last }
        if let known = self.known[stream.id], known.map === stream.map {
            self.last = known
            return known
        }
        let states = stream.map.shards.map { shard in
            guard let state = self.states[ShardRef(stream: stream.id, shard: shard.number)] else {
                preconditionFailure("the log does not know \(shard.number) of the catalog")
            }
            return state
        }
        let open = OpenShards(stream.map, states)
        self.known[stream.id] = open
        self.last = open
        return open
    }
}

/// What a commit changes of streams and shards when it is durable.
struct CatalogChange {
    let step: Catalog.Step
    /// Shards that end with it.
    private(set) var ended: [ShardRef] = []
    /// Shards that it takes away: readers find them until then.
    private(set) var leaving: [ShardRef: ShardState] = [:]

    init(_ step: Catalog.Step) { self.step = step }

    mutating func close(_ shard: ShardState, lsn: LSN) {
        guard shard.closedLSN == nil else { return }
        shard.closedLSN = lsn
        self.ended.append(shard.ref)
    }

    mutating func take(_ shard: ShardState, lsn: LSN) {
        if shard.closedLSN == nil { shard.closedLSN = lsn }
        self.leaving[shard.ref] = shard
        self.ended.append(shard.ref)
    }
}

extension CatalogChange: WaitingChange {
    var key: StreamID { self.step.stream }

    /// In shards: what it has copied of the catalog, what it keeps for readers, and itself. An attribute takes about as
    /// much as a shard.
    var weight: Int { 1 + self.step.shardsApart + self.step.attributesApart + self.leaving.count }
}
