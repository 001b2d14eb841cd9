// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// The form of events in the log, little-endian. A kind's form never changes: a new form is a new kind.
///
/// ```
/// every payload begins  u64 stream | i64 at, ms since 1970
/// 1 stream created      text name | rates | u32 shards | u64 creation second: read, and written as 8
/// 2 stream updated      rates | i64 horizon: read, and written as 9
/// 3 stream deleted
/// 4 horizon raised      i64 horizon
/// 5 resharded           u32 steps | steps
///                       step:   u8 parents | u8 children | parents | children
///                       parent: u32 number | u64 end index
///                       child:  u32 number | u128 lower | u128 upper | u64 creation second | u64 first index
/// 6 shards expired      u32 count | u32 numbers, rising
/// 7 stream capped       u64 position
/// 8 stream created      text name | settings | u32 shards | u64 creation second
/// 9 stream updated      settings | i64 horizon
/// 10 attributes changed as at `ByteWriter.write(attributes:)`; the owner is the stream
/// ```
/// `text` is a u16 length and UTF-8; `settings` stand at `ByteWriter.write(settings:)`, `rates` are settings of format
/// 1, which have the four rates in the place of a profile. A rescale between any two
/// counts takes less than 2 MiB.
extension CatalogEvent {
    /// The kinds of all catalog events; others are the lease table's or the log's.
    package static let kinds: ClosedRange<UInt16> = 1...10

    package var kind: UInt16 {
        switch self {
        case .streamCreated: 8
        case .streamUpdated: 9
        case .streamDeleted: 3
        case .horizonRaised: 4
        case .resharded: 5
        case .shardsExpired: 6
        case .streamCapped: 7
        case .attributesChanged: 10
        }
    }

    /// The payload; `kind` goes beside it.
    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(self.stream.rawValue)
        writer.write(self.atMillis)
        switch self {
        case .streamCreated(let event):
            writer.write(event.name.description)
            writer.write(settings: event.settings)
            writer.write(UInt32(clamping: event.shards))
            writer.write(event.creationSecond)
        case .streamUpdated(let event):
            writer.write(settings: event.settings)
            writer.write(event.horizonMillis)
        case .streamDeleted: break
        case .horizonRaised(let event): writer.write(event.horizonMillis)
        case .resharded(let event): event.encodeSteps(to: &writer)
        case .shardsExpired(let event):
            writer.write(UInt32(clamping: event.shards.count))
            for number in event.shards { writer.write(number.rawValue) }
        case .streamCapped(let event): writer.write(event.position)
        case .attributesChanged(let event): writer.write(attributes: event)
        }
        return writer.bytes
    }

    /// Reads what `encode` wrote. Throws `unknownKind` for a kind of a newer version, `malformed` for the rest.
    package init(kind: UInt16, payload: UnsafeRawBufferPointer) throws(CatalogDecodeError) {
        guard Self.kinds.contains(kind) else { throw .unknownKind(kind) }
        do {
            try self.init(knownKind: kind, payload)
        } catch {
            throw .malformed("catalog event of kind \(kind): \(error)")
        }
    }

    private init(knownKind kind: UInt16, _ payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        let stream = try reader.readStream()
        let at = try reader.readMillis()
        switch kind {
        case 1, 8:
            let name = try reader.readName()
            let settings = try reader.readSettings(knowsProfiles: kind == 8)
            let shards = Int(try reader.read(UInt32.self))
            guard Limits.shardsPerStream.contains(shards) else {
                throw MalformedBytes("a stream of \(shards) shards")
            }
            self = .streamCreated(
                StreamCreated(
                    stream: stream, atMillis: at, name: name, settings: settings, shards: shards,
                    creationSecond: try reader.readSecond()))
        case 2, 9:
            self = .streamUpdated(
                StreamUpdated(
                    stream: stream, atMillis: at, settings: try reader.readSettings(knowsProfiles: kind == 9),
                    horizonMillis: try reader.readMillis()))
        case 3: self = .streamDeleted(StreamDeleted(stream: stream, atMillis: at))
        case 4:
            self = .horizonRaised(
                HorizonRaised(stream: stream, atMillis: at, horizonMillis: try reader.readMillis()))
        case 5:
            self = .resharded(
                Resharding(stream: stream, atMillis: at, steps: try Resharding.decodeSteps(from: &reader)))
        case 7:
            self = .streamCapped(
                StreamCapped(
                    stream: stream, atMillis: at, position: try reader.readCounter("a position of the log", from: 1)))
        case 10:
            let event = try reader.readAttributesChanged(of: stream, atMillis: at)
            guard event.owner == .stream else { throw MalformedBytes("the catalog keeps attributes of streams only") }
            self = .attributesChanged(event)
        default:
            let count = try reader.readCount(ofAtLeast: 4)
            guard count > 0 else { throw MalformedBytes("no shard is named") }
            self = .shardsExpired(
                ShardsExpired(stream: stream, atMillis: at, shards: try reader.readShards(count)))
        }
        try reader.expectEnd()
    }
}

extension Resharding {
    private static let parentBytes = 12
    private static let childBytes = 52
    private static let stepBytesMin = 2 + 2 * parentBytes + childBytes

    fileprivate func encodeSteps(to writer: inout ByteWriter) {
        writer.write(UInt32(clamping: self.steps.count))
        for step in self.steps {
            writer.write(UInt8(clamping: step.parents.count))
            writer.write(UInt8(clamping: step.children.count))
            for parent in step.parents {
                writer.write(parent.number.rawValue)
                writer.write(parent.endIndex)
            }
            for child in step.children {
                writer.write(child.number.rawValue)
                writer.write(range: child.range)
                writer.write(child.creationSecond)
                writer.write(child.firstIndex)
            }
        }
    }

    fileprivate static func decodeSteps(from reader: inout ByteReader) throws(MalformedBytes) -> [Step] {
        let count = try reader.readCount(ofAtLeast: Self.stepBytesMin)
        guard count > 0 else { throw MalformedBytes("a resharding without a step") }
        var steps: [Step] = []
        steps.reserveCapacity(count)
        for _ in 0..<count {
            let parents = Int(try reader.read(UInt8.self))
            let children = Int(try reader.read(UInt8.self))
            guard Step.isAllowed(parents: parents, children: children) else {
                throw MalformedBytes("a step from \(parents) parents to \(children) children")
            }
            let step = Step(
                parents: try Self.decodeParents(parents, from: &reader),
                children: try Self.decodeChildren(children, from: &reader))
            if let fault = step.fault { throw MalformedBytes(fault) }
            steps.append(step)
        }
        return steps
    }

    private static func decodeParents(
        _ count: Int, from reader: inout ByteReader
    ) throws(MalformedBytes) -> [Parent] {
        var parents: [Parent] = []
        parents.reserveCapacity(count)
        for _ in 0..<count {
            parents.append(Parent(number: try reader.readShard(), endIndex: try reader.readIndex()))
        }
        return parents
    }

    private static func decodeChildren(
        _ count: Int, from reader: inout ByteReader
    ) throws(MalformedBytes) -> [Child] {
        var children: [Child] = []
        children.reserveCapacity(count)
        for _ in 0..<count {
            children.append(
                Child(
                    number: try reader.readShard(), range: try reader.readRange(),
                    creationSecond: try reader.readSecond(), firstIndex: try reader.readIndex()))
        }
        return children
    }
}
