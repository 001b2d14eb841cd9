// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// The form of events in the log, little-endian. A kind's form never changes: a new form is a new kind.
///
/// ```
/// 32 application created   application | i64 at, ms since 1970 | u32 rows | rows: u32 shard | checkpoint
/// 33 application deleted   application
/// 34 leases assigned       as 40, without session timeouts: read, and not written any more
/// 35 checkpointed          application | u32 shard | checkpoint
/// 36 leases reset          application | i64 at, ms since 1970 | text reason | u32 rows | rows as in 32
/// 37 consumer registered   u64 stream | text name | i64 at, ms since 1970
/// 38 consumer deregistered u64 stream | text name
/// 39 attributes changed    u64 stream | i64 at, ms since 1970 | as at `ByteWriter.write(attributes:)`; the owner is an
///                          application or a consumer
/// 40 leases assigned       application | u16 owners | owners: text worker | u64 incarnation | opt u32 session timeout,
///                          ms | u32 changes | changes: u32 shard | u16 owner, 0xffff for nobody
/// 41 session timeout set   application | text worker | u64 incarnation | u32 ms
/// 42 lease state saved     application | u32 shard | u32 length | bytes
/// application: u64 stream | text name
/// checkpoint:  u8 kind: 0 at timestamp: i64 ms | 1 trim horizon
///              | 2 sequence number: u64 creation second, u32 shard, u64 index, u64 arrival second, opt u64 sub
///              | 3 shard end
/// ```
extension LeaseEvent {
    /// The kinds of all lease events; others are the catalog's or the log's.
    package static let kinds: ClosedRange<UInt16> = 32...42
    private static let nobody = UInt16.max

    package var kind: UInt16 {
        switch self {
        case .applicationCreated: 32
        case .applicationDeleted: 33
        case .leasesAssigned: 40
        case .checkpointed: 35
        case .leasesReset: 36
        case .consumerRegistered: 37
        case .consumerDeregistered: 38
        case .attributesChanged: 39
        case .sessionTimeoutSet: 41
        case .stateSaved: 42
        }
    }

    /// The payload; `kind` goes beside it.
    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .applicationCreated(let event):
            writer.write(application: event.application)
            writer.write(event.atMillis)
            writer.write(rows: event.rows)
        case .applicationDeleted(let ref): writer.write(application: ref)
        case .leasesAssigned(let event): Self.encode(event, to: &writer)
        case .checkpointed(let event):
            writer.write(application: event.application)
            writer.write(event.shard.rawValue)
            writer.write(checkpoint: event.checkpoint)
        case .leasesReset(let event):
            writer.write(application: event.application)
            writer.write(event.atMillis)
            writer.write(event.reason)
            writer.write(rows: event.rows)
        case .consumerRegistered(let stream, let name, let atMillis):
            writer.write(stream.rawValue)
            writer.write(name.description)
            writer.write(atMillis)
        case .consumerDeregistered(let stream, let name):
            writer.write(stream.rawValue)
            writer.write(name.description)
        case .attributesChanged(let event):
            writer.write(event.stream.rawValue)
            writer.write(event.atMillis)
            writer.write(attributes: event)
        case .sessionTimeoutSet(let ref, let owner, let millis):
            writer.write(application: ref)
            writer.write(owner: owner)
            writer.write(millis)
        case .stateSaved(let event):
            writer.write(application: event.application)
            writer.write(event.shard.rawValue)
            writer.write(leaseState: event.state)
        }
        return writer.bytes
    }

    /// Who gets a lease, with the session timeout that it is given under.
    private struct Holder: Hashable {
        let owner: LeaseOwner
        let timeout: UInt32?

        init?(_ change: LeasesAssigned.Change) {
            guard let owner = change.owner else { return nil }
            self.init(owner: owner, timeout: change.sessionTimeoutMillis)
        }

        init(owner: LeaseOwner, timeout: UInt32?) {
            self.owner = owner
            self.timeout = timeout
        }
    }

    /// Each owner once: one worker can get thousands of leases.
    private static func encode(_ event: LeasesAssigned, to writer: inout ByteWriter) {
        var positions: [Holder: UInt16] = [:]
        var holders: [Holder] = []
        for holder in event.changes.compactMap(Holder.init) where positions[holder] == nil {
            positions[holder] = UInt16(truncatingIfNeeded: holders.count)
            holders.append(holder)
        }
        writer.write(application: event.application)
        writer.write(UInt16(truncatingIfNeeded: holders.count))
        for holder in holders {
            writer.write(owner: holder.owner)
            writer.write(optional: holder.timeout)
        }
        writer.write(UInt32(clamping: event.changes.count))
        for change in event.changes {
            writer.write(change.shard.rawValue)
            writer.write(Holder(change).flatMap { positions[$0] } ?? Self.nobody)
        }
    }

    package init(kind: UInt16, payload: UnsafeRawBufferPointer) throws(CatalogDecodeError) {
        guard Self.kinds.contains(kind) else { throw .unknownKind(kind) }
        var reader = ByteReader(payload)
        do {
            self = try Self.decode(kind, &reader)
            try reader.expectEnd()
        } catch {
            throw .malformed("lease event of kind \(kind): \(error)")
        }
    }

    private static func decode(_ kind: UInt16, _ reader: inout ByteReader) throws(MalformedBytes) -> LeaseEvent {
        switch kind {
        case 32:
            return .applicationCreated(
                ApplicationCreated(
                    application: try reader.readApplication(), atMillis: try reader.readClockMillis(),
                    rows: try reader.readRows()))
        case 33: return .applicationDeleted(try reader.readApplication())
        case 34, 40: return .leasesAssigned(try Self.decodeAssigned(&reader, hasTimeouts: kind == 40))
        case 35:
            return .checkpointed(
                Checkpointed(
                    application: try reader.readApplication(), shard: try reader.readShard(),
                    checkpoint: try reader.readCheckpoint()))
        case 36:
            return .leasesReset(
                LeasesReset(
                    application: try reader.readApplication(), atMillis: try reader.readClockMillis(),
                    reason: try reader.readString(maxBytes: Limits.reasonBytesMax), rows: try reader.readRows()))
        case 37:
            return .consumerRegistered(
                try reader.readStream(), try reader.readConsumer(), atMillis: try reader.readClockMillis())
        case 39:
            let event = try reader.readAttributesChanged(
                of: try reader.readStream(), atMillis: try reader.readClockMillis())
            guard event.owner != .stream else { throw MalformedBytes("the catalog keeps the attributes of streams") }
            return .attributesChanged(event)
        case 41:
            return .sessionTimeoutSet(
                try reader.readApplication(), try reader.readOwner(), millis: try reader.read(UInt32.self))
        case 42:
            return .stateSaved(
                LeaseStateSaved(
                    application: try reader.readApplication(), shard: try reader.readShard(),
                    state: try reader.readLeaseState()))
        default: return .consumerDeregistered(try reader.readStream(), try reader.readConsumer())
        }
    }

    private static func decodeAssigned(
        _ reader: inout ByteReader, hasTimeouts: Bool
    ) throws(MalformedBytes) -> LeasesAssigned {
        let application = try reader.readApplication()
        let ownerCount = Int(try reader.read(UInt16.self))
        guard ownerCount <= reader.remaining / 10 else { throw MalformedBytes("\(ownerCount) owners do not fit") }
        var owners: [Holder] = []
        for _ in 0..<ownerCount {
            let owner = try reader.readOwner()
            owners.append(Holder(owner: owner, timeout: hasTimeouts ? try reader.readOptional() : nil))
        }
        let count = try reader.readCount(ofAtLeast: 6)
        var changes: [LeasesAssigned.Change] = []
        changes.reserveCapacity(count)
        for _ in 0..<count {
            let shard = try reader.readShard()
            let owner = try reader.read(UInt16.self)
            guard owner == Self.nobody || Int(owner) < owners.count else {
                throw MalformedBytes("owner \(owner) of \(owners.count)")
            }
            let holder = owner == Self.nobody ? nil : owners[Int(owner)]
            changes.append(.init(shard: shard, owner: holder?.owner, sessionTimeoutMillis: holder?.timeout))
        }
        return LeasesAssigned(application: application, changes: changes)
    }
}

// The values that events and snapshots share.

extension ByteWriter {
    mutating func write(application: ApplicationRef) {
        self.write(application.stream.rawValue)
        self.write(application.name.description)
    }

    mutating func write(owner: LeaseOwner) {
        self.write(owner.worker.description)
        self.write(owner.incarnation)
    }

    mutating func write(rows: [ApplicationCreated.Row]) {
        self.write(UInt32(clamping: rows.count))
        for row in rows {
            self.write(row.shard.rawValue)
            self.write(checkpoint: row.checkpoint)
        }
    }

    mutating func write(leaseState state: [UInt8]) {
        self.write(UInt32(clamping: state.count))
        self.append(state)
    }

    mutating func write(checkpoint: LeaseCheckpoint) {
        switch checkpoint {
        case .at(let time):
            self.write(UInt8(0))
            self.write(time.millisecondsSince1970)
        case .trimHorizon: self.write(UInt8(1))
        case .sequenceNumber(let number, let subSequence):
            self.write(UInt8(2))
            self.write(number.shardCreationSecond)
            self.write(number.shard.rawValue)
            self.write(number.index)
            self.write(number.arrivalSecond)
            self.write(optional: subSequence)
        case .shardEnd: self.write(UInt8(3))
        }
    }
}

extension ByteReader {
    mutating func readApplication() throws(MalformedBytes) -> ApplicationRef {
        let stream = try self.readStream()
        let text = try self.readString(maxBytes: Limits.nameCharacters.upperBound)
        do {
            return ApplicationRef(stream: stream, name: try ApplicationName(text))
        } catch { throw MalformedBytes(error.message) }
    }

    mutating func readConsumer() throws(MalformedBytes) -> ConsumerName {
        let text = try self.readString(maxBytes: Limits.nameCharacters.upperBound)
        do { return try ConsumerName(text) } catch { throw MalformedBytes(error.message) }
    }

    mutating func readOwner() throws(MalformedBytes) -> LeaseOwner {
        let text = try self.readString(maxBytes: Limits.workerCharacters.upperBound)
        let incarnation = try self.read(UInt64.self)
        do {
            return LeaseOwner(worker: try WorkerID(text), incarnation: incarnation)
        } catch { throw MalformedBytes(error.message) }
    }

    mutating func readRows() throws(MalformedBytes) -> [ApplicationCreated.Row] {
        let count = try self.readCount(ofAtLeast: 5)
        var rows: [ApplicationCreated.Row] = []
        rows.reserveCapacity(count)
        for _ in 0..<count {
            let shard = try self.readShard()
            if let last = rows.last, last.shard >= shard { throw MalformedBytes("\(shard) follows \(last.shard)") }
            rows.append(.init(shard: shard, checkpoint: try self.readCheckpoint()))
        }
        return rows
    }

    mutating func readLeaseState() throws(MalformedBytes) -> [UInt8] {
        let count = Int(try self.read(UInt32.self))
        guard count <= Limits.leaseStateBytesMax else {
            throw MalformedBytes("\(count) bytes are kept with a lease; at most \(Limits.leaseStateBytesMax) can be")
        }
        return Array(try self.readBytes(count))
    }

    mutating func readCheckpoint() throws(MalformedBytes) -> LeaseCheckpoint {
        switch try self.read(UInt8.self) {
        case 0: return .atTimestamp(try self.readClockMillis())
        case 1: return .trimHorizon
        case 2:
            let second = try self.readSecond()
            let shard = try self.readShard()
            let index = try self.readIndex()
            let arrival = try self.readClockSecond()
            let number = SequenceNumber(
                shardCreationSecond: second, shard: shard, index: index, arrivalSecond: arrival)
            guard number.arrivalSecond == arrival else {
                throw MalformedBytes("a record of \(shard) arrived before its shard was made")
            }
            return .sequenceNumber(number, subSequence: try self.readOptional())
        case 3: return .shardEnd
        case let other: throw MalformedBytes("a checkpoint is of kind 0 to 3, not \(other)")
        }
    }
}
