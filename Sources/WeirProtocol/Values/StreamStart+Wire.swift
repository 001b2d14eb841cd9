// SPDX-License-Identifier: Apache-2.0
import WeirModel

// A time is kind 2 here, 4 in `ReadStart`, 3 and 4 in `ShardFilter` and 0 in `LeaseCheckpoint`: each of these sets was
// numbered when its first message was, and numbers that have been sent keep their meaning. Each set has one coding, in
// the file of its name, which all of its messages use.

/// ```
/// u8 kind: 0 trim horizon, 1 latest, 2 at timestamp; 2: i64 ms since 1970
/// ```
extension StreamStart {
    private enum Kind: UInt8 {
        case trimHorizon = 0
        case latest = 1
        case atTimestamp = 2
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .trimHorizon: writer.write(Kind.trimHorizon.rawValue)
        case .latest: writer.write(Kind.latest.rawValue)
        case .atTimestamp(let millis):
            writer.write(Kind.atTimestamp.rawValue)
            writer.write(millis)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.read(UInt8.self)
        guard let start = try Self(kind: kind, reading: &reader) else {
            throw MalformedBytes("an initial position is of kind 0 to 2, not \(kind)")
        }
        self = start
    }

    /// What stands behind its kind; `nil` for a kind that it does not have.
    fileprivate init?(kind: UInt8, reading reader: inout ByteReader) throws(MalformedBytes) {
        guard let kind = Kind(rawValue: kind) else { return nil }
        switch kind {
        case .trimHorizon: self = .trimHorizon
        case .latest: self = .latest
        case .atTimestamp: self = .atTimestamp(try reader.read())
        }
    }
}

/// ```
/// as a start of a stream, and kind 3 sequence number: u64 shard creation second | u32 shard | u64 index
/// | u64 arrival second
/// ```
extension ResetTarget {
    private static let sequenceNumberKind: UInt8 = 3

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .start(let start): start.encode(into: &writer)
        case .sequenceNumber(let number):
            writer.write(Self.sequenceNumberKind)
            number.encode(into: &writer)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let kind = try reader.read(UInt8.self)
        if kind == Self.sequenceNumberKind {
            self = .sequenceNumber(try SequenceNumber(reading: &reader))
        } else if let start = try StreamStart(kind: kind, reading: &reader) {
            self = .start(start)
        } else {
            throw MalformedBytes("a reset goes to kind 0 to 3, not \(kind)")
        }
    }
}
