// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// The form of a snapshot, little-endian; equal tables give equal bytes. Whoever stores it adds the checksum.
///
/// ```
/// u16 format (4) | u32 applications | applications by stream and name | u32 consumers | consumers by stream and name
/// | u32 counters | counters by stream
/// application: u64 stream | text name | i64 created, ms | attributes | u32 rows | rows by shard
/// row:         u32 shard | opt (text worker | u64 incarnation | opt u32 session timeout, ms) | u64 counter
///              | checkpoint | u32 owner switches | opt (text reason | i64 at, ms)
///              | u32 length | bytes that its worker keeps with it
/// consumer:    u64 stream | text name | i64 registered, ms | attributes
/// counter:     u64 stream | u64 highest counter of applications that were deleted
/// ```
///
/// Format 3 keeps nothing with a row. Format 2 has neither session timeouts nor attributes; format 1 also ends behind
/// the consumers.
extension LeaseTable {
    private static let format: UInt16 = 4
    private static let firstFormat: UInt16 = 1
    private static let counterBytes = 8 + 8
    private static let applicationBytesMin = 8 + 3 + 8 + 4
    private static let rowBytesMin = 4 + 1 + 8 + 1 + 4 + 1
    private static let consumerBytesMin = 8 + 3 + 8

    package func encodeSnapshot() -> [UInt8] {
        var writer = ByteWriter(capacity: 64 + self.rowCount * 96 + self.stateBytes)
        writer.write(Self.format)
        writer.write(UInt32(clamping: self.applications.count))
        for ref in self.applications.refs {
            guard let application = self.applications[ref] else { continue }
            writer.write(application: ref)
            writer.write(application.createdAtMillis)
            writer.write(attributes: application.attributes)
            writer.write(UInt32(clamping: application.rows.count))
            for (shard, row) in application.rows { Self.encode(shard, row, to: &writer) }
        }
        writer.write(UInt32(clamping: self.consumers.values.reduce(0) { $0 + $1.count }))
        for stream in self.consumers.keys.sorted() {
            for (name, consumer) in (self.consumers[stream] ?? [:]).sorted(by: { $0.key < $1.key }) {
                writer.write(stream.rawValue)
                writer.write(name.description)
                writer.write(consumer.createdAtMillis)
                writer.write(attributes: consumer.attributes)
            }
        }
        writer.write(UInt32(clamping: self.countersUsed.count))
        for (stream, counter) in self.countersUsed.sorted(by: { $0.key < $1.key }) {
            writer.write(stream.rawValue)
            writer.write(counter)
        }
        return writer.bytes
    }

    private static func encode(_ shard: ShardNumber, _ row: LeaseRow, to writer: inout ByteWriter) {
        writer.write(shard.rawValue)
        writer.write(row.owner != nil)
        if let owner = row.owner {
            writer.write(owner: owner)
            writer.write(optional: row.sessionTimeoutMillis)
        }
        writer.write(row.counter)
        writer.write(checkpoint: row.checkpoint)
        writer.write(row.ownerSwitches)
        writer.write(row.reset != nil)
        if let reset = row.reset {
            writer.write(reset.reason)
            writer.write(reset.atMillis)
        }
        writer.write(leaseState: row.state)
    }

    /// Reads what `encodeSnapshot` wrote.
    package init(snapshot: UnsafeRawBufferPointer) throws(CatalogDecodeError) {
        var reader = ByteReader(snapshot)
        do {
            let format = try reader.read(UInt16.self)
            guard (Self.firstFormat...Self.format).contains(format) else {
                throw CatalogDecodeError.unknownFormat(format)
            }
            try self.init(from: &reader, format: format)
        } catch let error as CatalogDecodeError {
            throw error
        } catch {
            throw .malformed("lease table snapshot: \(error)")
        }
    }

    private init(from reader: inout ByteReader, format: UInt16) throws(MalformedBytes) {
        self.init()
        let knowsFacts = format > 2
        for _ in 0..<(try reader.readCount(ofAtLeast: Self.applicationBytesMin)) {
            let ref = try reader.readApplication()
            let createdAtMillis = try reader.readClockMillis()
            let attributes = knowsFacts ? try reader.readAttributes() : Attributes()
            var rows = LeaseRows()
            for _ in 0..<(try reader.readCount(ofAtLeast: Self.rowBytesMin)) {
                let (shard, row) = try Self.decodeRow(&reader, format: format)
                guard rows[shard] == nil else { throw MalformedBytes("\(shard) of \(ref) is there twice") }
                rows[shard] = row
            }
            var application = Application(createdAtMillis: createdAtMillis, rows: rows)
            application.attributes = attributes
            self.attributeBytes += attributes.bytes
            guard self.applications[ref] == nil else { throw MalformedBytes("\(ref) is there twice") }
            self.applications[ref] = application
            self.rowCount += rows.count
            self.stateBytes += rows.values.reduce(0) { $0 + $1.state.count }
        }
        for _ in 0..<(try reader.readCount(ofAtLeast: Self.consumerBytesMin)) {
            let stream = try reader.readStream()
            let name = try reader.readConsumer()
            var consumer = Consumer(createdAtMillis: try reader.readClockMillis())
            if knowsFacts { consumer.attributes = try reader.readAttributes() }
            self.attributeBytes += consumer.attributes.bytes
            guard self.consumers[stream, default: [:]].updateValue(consumer, forKey: name) == nil else {
                throw MalformedBytes("consumer '\(name)' of \(stream) is there twice")
            }
        }
        if format > Self.firstFormat { try self.readCounters(&reader) }
        try reader.expectEnd()
    }

    private mutating func readCounters(_ reader: inout ByteReader) throws(MalformedBytes) {
        for _ in 0..<(try reader.readCount(ofAtLeast: Self.counterBytes)) {
            let stream = try reader.readStream()
            guard self.countersUsed.updateValue(try reader.read(), forKey: stream) == nil else {
                throw MalformedBytes("the counter of \(stream) is there twice")
            }
        }
    }

    private static func decodeRow(
        _ reader: inout ByteReader, format: UInt16
    ) throws(MalformedBytes) -> (ShardNumber, LeaseRow) {
        let shard = try reader.readShard()
        let owner = try reader.readBool() ? try reader.readOwner() : nil
        let timeout = owner != nil && format > 2 ? try reader.readOptional(UInt32.self) : nil
        var row = LeaseRow(checkpoint: .trimHorizon, counter: try reader.read())
        row.owner = owner
        row.sessionTimeoutMillis = timeout
        row.checkpoint = try reader.readCheckpoint()
        row.ownerSwitches = try reader.read()
        if try reader.readBool() {
            row.reset = LeaseDescription.Reset(
                reason: try reader.readString(maxBytes: Limits.reasonBytesMax), atMillis: try reader.readClockMillis())
        }
        if format > 3 { row.state = try reader.readLeaseState() }
        return (shard, row)
    }
}
