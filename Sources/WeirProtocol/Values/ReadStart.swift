// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where a subscription begins: like an iterator, or at an index that the client knows from an earlier answer.
package enum ReadStart: Hashable, Sendable {
    case iterator(ShardIteratorType)
    /// The record with this index, or the first behind it that is still there.
    case index(UInt64)
}

/// ```
/// u8 kind: 0 trim horizon, 1 latest, 2 at sequence number, 3 after it, 4 at timestamp, 5 at index
/// 2, 3: u64 shard creation second | u32 shard | u64 index | u64 arrival second; 4: i64 ms; 5: u64 index
/// ```
extension ReadStart {
    private enum Kind: UInt8 {
        case trimHorizon = 0
        case latest = 1
        case atSequenceNumber = 2
        case afterSequenceNumber = 3
        case atTimestamp = 4
        case index = 5
    }

    package func encode(into writer: inout ByteWriter) {
        switch self {
        case .iterator(.trimHorizon): writer.write(Kind.trimHorizon.rawValue)
        case .iterator(.latest): writer.write(Kind.latest.rawValue)
        case .iterator(.atSequenceNumber(let number)):
            writer.write(Kind.atSequenceNumber.rawValue)
            number.encode(into: &writer)
        case .iterator(.afterSequenceNumber(let number)):
            writer.write(Kind.afterSequenceNumber.rawValue)
            number.encode(into: &writer)
        case .iterator(.atTimestamp(let millis)):
            writer.write(Kind.atTimestamp.rawValue)
            writer.write(millis)
        case .index(let index):
            writer.write(Kind.index.rawValue)
            writer.write(index)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let raw = try reader.read(UInt8.self)
        guard let kind = Kind(rawValue: raw) else { throw MalformedBytes("a start of kind \(raw) is unknown") }
        switch kind {
        case .trimHorizon: self = .iterator(.trimHorizon)
        case .latest: self = .iterator(.latest)
        case .atSequenceNumber: self = .iterator(.atSequenceNumber(try SequenceNumber(reading: &reader)))
        case .afterSequenceNumber: self = .iterator(.afterSequenceNumber(try SequenceNumber(reading: &reader)))
        case .atTimestamp: self = .iterator(.atTimestamp(try reader.read()))
        case .index: self = .index(try reader.read())
        }
    }
}

extension SequenceNumber {
    func encode(into writer: inout ByteWriter) {
        writer.write(self.shardCreationSecond)
        writer.write(self.shard.rawValue)
        writer.write(self.index)
        writer.write(self.arrivalSecond)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let (second, shard, index, arrival) = (
            try reader.read(UInt64.self), ShardNumber(try reader.read()), try reader.read(UInt64.self),
            try reader.read(UInt64.self)
        )
        self.init(shardCreationSecond: second, shard: shard, index: index, arrivalSecond: arrival)
        guard self.shardCreationSecond == second, self.index == index, self.arrivalSecond == arrival else {
            throw MalformedBytes("a field of a sequence number is out of its range")
        }
    }
}
