// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// A record that the server routes: where it lies, and which of the stream's open shards takes it.
package struct RoutedRecord: BitwiseCopyable {
    /// The whole record in its stored form.
    package let bytes: UnsafeRawPointer
    package let length: UInt32
    /// Data and key.
    package let payload: UInt32
    /// For its router: where its hash key is.
    package let hash: Int32
    /// Position of its shard in the order of the stream's map.
    package var shard: Int32

    package init(bytes: UnsafeRawPointer, length: UInt32, payload: UInt32, hash: Int32, shard: Int32 = 0) {
        self.bytes = bytes
        self.length = length
        self.payload = payload
        self.hash = hash
        self.shard = shard
    }
}

/// The open shards of a stream in the order of its map, and what keeps them alive.
package final class OpenShards {
    package let map: ShardMap
    let states: UnsafeMutablePointer<Unmanaged<ShardState>>
    let count: Int
    private let owned: [ShardState]

    init(_ map: ShardMap, _ states: [ShardState]) {
        self.map = map
        self.owned = states
        self.count = states.count
        self.states = .allocate(capacity: max(1, states.count))
        for (position, state) in states.enumerated() {
            (self.states + position).initialize(to: .passUnretained(state))
        }
    }

    deinit { self.states.deallocate() }
}

/// Where the records of a routed put will be. Kept and used again, so that nothing is allocated for a put.
package final class RoutedOutcome {
    /// Records of one shard, with consecutive indexes in the order of the put.
    package struct Entry: BitwiseCopyable {
        package let position: Int32
        package internal(set) var count: Int32
        package let firstIndex: UInt64
        package let arrivalMillis: Int64
        package let shard: UInt32
        package let creationSecond: UInt64
    }

    private(set) var list = RawList<Entry>(capacity: 64)
    /// For each record of the put, the entry that holds it.
    package private(set) var recordEntries: UnsafeMutablePointer<UInt16>
    /// For each position of the map, its entry; -1 between puts.
    private(set) var slots: UnsafeMutablePointer<Int32>
    private var recordCapacity = 512
    private var slotCapacity = 64

    package init() {
        self.recordEntries = .allocate(capacity: self.recordCapacity)
        self.slots = .allocate(capacity: self.slotCapacity)
        self.slots.initialize(repeating: -1, count: self.slotCapacity)
    }

    deinit {
        self.list.free()
        self.recordEntries.deallocate()
        self.slots.deallocate()
    }

    package var entries: UnsafeBufferPointer<Entry> {
        UnsafeBufferPointer(start: self.list.start, count: self.list.count)
    }

    func begin(shards: Int, records: Int) {
        precondition(records <= UInt16.max, "a put has fewer records than its entries can be told apart by")
        self.list.removeAll()
        if records > self.recordCapacity {
            self.recordEntries.deallocate()
            self.recordCapacity = records
            self.recordEntries = .allocate(capacity: records)
        }
        if shards > self.slotCapacity {
            self.slots.deallocate()
            self.slotCapacity = shards
            self.slots = .allocate(capacity: shards)
            self.slots.initialize(repeating: -1, count: shards)
        }
    }

    func finish(_ entries: RawList<Entry>) {
        self.list = entries
        for place in 0..<entries.count { self.slots[Int(entries.start[place].position)] = -1 }
    }
}

extension LogCore {
    /// The open shards of a stream; the same object until they change.
    package func openShards(of stream: StreamState) -> OpenShards { self.shards.open(of: stream) }

    /// Appends the records of one put, each to its shard; all of them lie in one commit. The server is their writer and
    /// joins them with those of other requests. Nothing is stored when it throws. `bytes`: of all records.
    package func appendRouted(
        _ records: UnsafePointer<RoutedRecord>, count: Int, bytes: Int, to open: OpenShards, outcome: RoutedOutcome,
        nowMillis: Int64
    ) throws(WeirError) -> LSN {
        try self.checkRoom(bytes: bytes)
        self.makeRoom(for: bytes + min(count, open.count) * Staging.runHeaderBytes)
        self.commits.open.stage(
            records, count: count, to: open, outcome: outcome, arrivalMillis: self.stamp(nowMillis),
            pool: self.commits.buffers)
        return self.commits.open.lsn
    }
}
