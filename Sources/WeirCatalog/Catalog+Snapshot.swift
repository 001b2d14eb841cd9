// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// The form of a snapshot, little-endian; equal machines give equal bytes. Whoever stores it adds the checksum.
///
/// ```
/// u16 format (3) | u64 version | u64 next stream id | i64 last event, ms | u64 highest creation second of what was
/// deleted | u32 streams | streams by id
/// stream: u64 id | text name | settings | i64 created, ms | i64 horizon, ms | u64 capped | attributes
///         | u64 map version | u32 next shard | u32 shards | shards by number
/// shard:  u32 number | u128 lower | u128 upper | u64 creation second | u64 first index | i64 created, ms
///         | u8 parents | u32 each | u8 children, 0 when open | [u32 each | u64 end index | i64 closed, ms]
/// ```
extension Catalog {
    private static let format: UInt16 = 3
    /// Format 2 has rates in the place of a profile and no attributes; format 1 is also without the creation second of
    /// what was deleted, and without positions of size caps.
    private static let firstFormat: UInt16 = 1
    private static let streamBytesMin = 8 + 3 + 18 + 8 + 8 + 8 + 4 + 4

    package func encodeSnapshot() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 + self.streams.count * 256 + self.listedShardCount * 96)
        writer.write(Self.format)
        writer.write(self.version)
        writer.write(self.nextStream)
        writer.write(self.lastEventMillis)
        writer.write(self.deletedSecond)
        writer.write(UInt32(clamping: self.streams.count))
        for stream in self.streams.values.sorted(by: { $0.id < $1.id }) { stream.encode(to: &writer) }
        return writer.bytes
    }

    /// Reads what `encodeSnapshot` wrote and checks that it keeps every rule.
    package init(
        snapshot: UnsafeRawBufferPointer, bounds: Bounds = Bounds()
    ) throws(CatalogDecodeError) {
        self.init(bounds: bounds)
        var reader = ByteReader(snapshot)
        do {
            let format = try reader.read(UInt16.self)
            guard (Self.firstFormat...Self.format).contains(format) else {
                throw CatalogDecodeError.unknownFormat(format)
            }
            try self.decode(from: &reader, format: format)
            try self.checkInvariants()
        } catch let error as CatalogDecodeError {
            throw error
        } catch {
            throw .malformed("catalog snapshot: \(error)")
        }
    }

    private mutating func decode(from reader: inout ByteReader, format: UInt16) throws(MalformedBytes) {
        self.version = try reader.readCounter("a count of events", from: 0)
        self.nextStream = try reader.readCounter("the id of a stream", from: 1)
        self.lastEventMillis = try reader.readMillis()
        if format != Self.firstFormat { self.deletedSecond = try reader.readSecond() }
        let count = try reader.readCount(ofAtLeast: Self.streamBytesMin)
        for _ in 0..<count {
            let stream = try StreamState(from: &reader, format: format)
            guard self.streams.updateValue(stream, forKey: stream.id) == nil,
                self.idsByName.updateValue(stream.id, forKey: stream.name) == nil
            else { throw MalformedBytes("\(stream.id), '\(stream.name)', is there twice") }
            self.names.append(stream.name)
            self.openShardCount += stream.map.shards.count
            self.listedShardCount += stream.shards.count
            self.attributeBytes += stream.attributes.bytes
        }
        self.names.sort()
        try reader.expectEnd()
        if format == Self.firstFormat, self.nextStream > UInt64(self.streams.count) + 1 {
            // Something was deleted, nobody noted what it had: surely nothing above what the clock said by then.
            self.deletedSecond = UInt64(self.lastEventMillis) / 1000
        }
    }
}

extension StreamState {
    private static let shardBytesMin = 4 + 32 + 8 + 8 + 8 + 1 + 1

    fileprivate func encode(to writer: inout ByteWriter) {
        writer.write(self.id.rawValue)
        writer.write(self.name.description)
        writer.write(settings: self.settings)
        writer.write(self.createdAtMillis)
        writer.write(self.horizonMillis)
        writer.write(self.cappedPosition)
        writer.write(attributes: self.attributes)
        writer.write(self.map.version)
        writer.write(self.nextShard)
        writer.write(UInt32(clamping: self.shards.count))
        for shard in self.shards { Self.encode(shard, to: &writer) }
    }

    private static func encode(_ shard: ShardDescription, to writer: inout ByteWriter) {
        writer.write(shard.number.rawValue)
        writer.write(range: shard.range)
        writer.write(shard.creationSecond)
        writer.write(shard.firstIndex)
        writer.write(shard.createdAtMillis)
        writer.write(UInt8(clamping: shard.parents.count))
        for parent in shard.parents { writer.write(parent.rawValue) }
        writer.write(UInt8(clamping: shard.closed?.children.count ?? 0))
        guard let closed = shard.closed else { return }
        for child in closed.children { writer.write(child.rawValue) }
        writer.write(closed.endIndex)
        writer.write(closed.atMillis)
    }

    fileprivate init(from reader: inout ByteReader, format: UInt16) throws(MalformedBytes) {
        self.id = try reader.readStream()
        self.name = try reader.readName()
        self.settings = try reader.readSettings(knowsProfiles: format > 2)
        self.createdAtMillis = try reader.readMillis()
        self.horizonMillis = try reader.readMillis()
        self.cappedPosition = format != 1 ? try reader.read() : 0
        if format > 2 { self.attributes = try reader.readAttributes() }
        let mapVersion = try reader.readCounter("a map version", from: 1)
        self.nextShard = try reader.read()
        let count = try reader.readCount(ofAtLeast: Self.shardBytesMin)
        var shards: [ShardDescription] = []
        shards.reserveCapacity(count)
        for _ in 0..<count { shards.append(try Self.decodeShard(from: &reader)) }
        guard zip(shards, shards.dropFirst()).allSatisfy({ $0.number < $1.number }) else {
            throw MalformedBytes("the shards of \(self.id) are not listed by number")
        }
        let open = shards.filter(\.isOpen)
        guard ShardMap.tiles(open.map(\.range).sorted { $0.lower < $1.lower }) else {
            throw MalformedBytes("the open shards of \(self.id) do not tile the key space")
        }
        self.shards = ShardList(shards)
        self.map = ShardMap(stream: self.id, version: mapVersion, open: open)
    }

    private static func decodeShard(from reader: inout ByteReader) throws(MalformedBytes) -> ShardDescription {
        let number = try reader.readShard()
        let range = try reader.readRange()
        let creationSecond = try reader.readSecond()
        let firstIndex = try reader.readIndex()
        let createdAtMillis = try reader.readMillis()
        let parentCount = Int(try reader.read(UInt8.self))
        guard parentCount <= 2 else { throw MalformedBytes("\(number) has \(parentCount) parents") }
        // In the order in which the merge named them.
        var parents: [ShardNumber] = []
        for _ in 0..<parentCount { parents.append(try reader.readShard()) }
        let childCount = Int(try reader.read(UInt8.self))
        guard childCount <= 2 else { throw MalformedBytes("\(number) has \(childCount) children") }
        var closed: ShardDescription.Closing?
        if childCount > 0 {
            let children = try reader.readShards(childCount)
            closed = .init(
                endIndex: try reader.readIndex(), atMillis: try reader.readMillis(), children: children)
        }
        return ShardDescription(
            number: number, range: range, parents: parents, creationSecond: creationSecond, firstIndex: firstIndex,
            createdAtMillis: createdAtMillis, closed: closed)
    }
}
