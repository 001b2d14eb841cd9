// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where reading begins, as it stands on the wire: a kind and what belongs to it. All messages have it from here.
///
/// The kinds have other numbers in a reset than in a read: both were numbered when their first message was, and numbers
/// that have been sent keep their meaning. The two tables below are all in which they differ.
private enum Start {
    enum Kind {
        case trimHorizon
        case latest
        case atTimestamp
        case atSequenceNumber
        case afterSequenceNumber
        case index

        /// Of a kind, its number is its place.
        static let inReads: [Kind] = [
            .trimHorizon, .latest, .atSequenceNumber, .afterSequenceNumber, .atTimestamp, .index,
        ]
        static let inStreams: [Kind] = [.trimHorizon, .latest, .atTimestamp]
        static let inResets: [Kind] = inStreams + [.atSequenceNumber]
    }

    case iterator(ShardIteratorType)
    case index(UInt64)

    private var kind: Kind {
        switch self {
        case .iterator(.start(.trimHorizon)): .trimHorizon
        case .iterator(.start(.latest)): .latest
        case .iterator(.start(.at)): .atTimestamp
        case .iterator(.atSequenceNumber): .atSequenceNumber
        case .iterator(.afterSequenceNumber): .afterSequenceNumber
        case .index: .index
        }
    }

    func encode(_ kinds: [Kind], into writer: inout ByteWriter) {
        guard let number = kinds.firstIndex(of: self.kind) else {
            preconditionFailure("a start of kind \(self.kind) where there are only \(kinds)")
        }
        writer.write(UInt8(number))
        switch self {
        case .iterator(.start(.trimHorizon)), .iterator(.start(.latest)): break
        case .iterator(.start(.at(let time))): writer.write(time.millisecondsSince1970)
        case .iterator(.atSequenceNumber(let number)), .iterator(.afterSequenceNumber(let number)):
            number.encode(into: &writer)
        case .index(let index): writer.write(index)
        }
    }

    /// `what`: as it is called in the sentence that refuses an unknown kind.
    init(_ kinds: [Kind], _ what: String, reading reader: inout ByteReader) throws(MalformedBytes) {
        let number = Int(try reader.read(UInt8.self))
        guard kinds.indices.contains(number) else {
            throw MalformedBytes("\(what) is of kind 0 to \(kinds.count - 1), not \(number)")
        }
        switch kinds[number] {
        case .trimHorizon: self = .iterator(.trimHorizon)
        case .latest: self = .iterator(.latest)
        case .atTimestamp: self = .iterator(.atTimestamp(try reader.read()))
        case .atSequenceNumber: self = .iterator(.atSequenceNumber(try SequenceNumber(reading: &reader)))
        case .afterSequenceNumber: self = .iterator(.afterSequenceNumber(try SequenceNumber(reading: &reader)))
        case .index: self = .index(try reader.read())
        }
    }
}

/// ```
/// u8 kind: 0 trim horizon, 1 latest, 2 at sequence number, 3 after it, 4 at timestamp, 5 at index
/// 2, 3: u64 shard creation second | u32 shard | u64 index | u64 arrival second; 4: i64 ms; 5: u64 index
/// ```
extension ReadStart {
    package func encode(into writer: inout ByteWriter) {
        switch self {
        case .iterator(let start): Start.iterator(start).encode(Start.Kind.inReads, into: &writer)
        case .index(let index): Start.index(index).encode(Start.Kind.inReads, into: &writer)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        switch try Start(Start.Kind.inReads, "a start of a read", reading: &reader) {
        case .iterator(let start): self = .iterator(start)
        case .index(let index): self = .index(index)
        }
    }
}

/// ```
/// u8 kind: 0 trim horizon, 1 latest, 2 at timestamp; 2: i64 ms since 1970
/// ```
extension StreamStart {
    func encode(into writer: inout ByteWriter) {
        Start.iterator(.start(self)).encode(Start.Kind.inStreams, into: &writer)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        guard
            case .iterator(.start(let start)) =
                try Start(Start.Kind.inStreams, "an initial position", reading: &reader)
        else { throw MalformedBytes("an initial position names a record") }
        self = start
    }
}

/// ```
/// as a start of a stream, and kind 3 sequence number: u64 shard creation second | u32 shard | u64 index
/// | u64 arrival second
/// ```
extension ResetTarget {
    func encode(into writer: inout ByteWriter) {
        switch self {
        case .start(let start): Start.iterator(.start(start)).encode(Start.Kind.inResets, into: &writer)
        case .sequenceNumber(let number):
            Start.iterator(.atSequenceNumber(number)).encode(Start.Kind.inResets, into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        switch try Start(Start.Kind.inResets, "the target of a reset", reading: &reader) {
        case .iterator(.start(let start)): self = .start(start)
        case .iterator(.atSequenceNumber(let number)): self = .sequenceNumber(number)
        case .iterator(.afterSequenceNumber), .index: throw MalformedBytes("a reset goes to no such place")
        }
    }
}
