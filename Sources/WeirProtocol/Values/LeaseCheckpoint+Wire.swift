// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u8 kind: 0 at timestamp, 1 trim horizon, 2 sequence number, 3 shard end
/// 0: i64 ms; 2: u64 shard creation second | u32 shard | u64 index | u64 arrival second | optional u64 sub-sequence
/// ```
extension LeaseCheckpoint {
    private enum Kind: UInt8 {
        case atTimestamp = 0
        case trimHorizon = 1
        case sequenceNumber = 2
        case shardEnd = 3
    }

    static let wireBytesMin = 1

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .at(let time):
            writer.write(Kind.atTimestamp.rawValue)
            writer.write(time.millisecondsSince1970)
        case .trimHorizon: writer.write(Kind.trimHorizon.rawValue)
        case .sequenceNumber(let number, let subSequence):
            writer.write(Kind.sequenceNumber.rawValue)
            number.encode(into: &writer)
            writer.write(optional: subSequence)
        case .shardEnd: writer.write(Kind.shardEnd.rawValue)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let raw = try reader.read(UInt8.self)
        guard let kind = Kind(rawValue: raw) else { throw MalformedBytes("a checkpoint is of kind 0 to 3, not \(raw)") }
        switch kind {
        case .atTimestamp: self = .atTimestamp(try reader.read())
        case .trimHorizon: self = .trimHorizon
        case .sequenceNumber:
            let number = try SequenceNumber(reading: &reader)
            self = .sequenceNumber(number, subSequence: try reader.readOptional())
        case .shardEnd: self = .shardEnd
        }
    }
}
