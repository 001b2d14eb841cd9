// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u8 kind: 0 from trim horizon, 1 at trim horizon, 2 at latest, 3 at timestamp, 4 from timestamp
/// 3, 4: i64 ms since 1970
/// ```
extension ShardFilter {
    private enum Kind: UInt8 {
        case fromTrimHorizon = 0
        case atTrimHorizon = 1
        case atLatest = 2
        case atTimestamp = 3
        case fromTimestamp = 4
    }

    func encode(into writer: inout ByteWriter) {
        switch self {
        case .fromTrimHorizon: writer.write(Kind.fromTrimHorizon.rawValue)
        case .atTrimHorizon: writer.write(Kind.atTrimHorizon.rawValue)
        case .atLatest: writer.write(Kind.atLatest.rawValue)
        case .at(let time):
            writer.write(Kind.atTimestamp.rawValue)
            writer.write(time.millisecondsSince1970)
        case .from(let time):
            writer.write(Kind.fromTimestamp.rawValue)
            writer.write(time.millisecondsSince1970)
        }
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let raw = try reader.read(UInt8.self)
        guard let kind = Kind(rawValue: raw) else { throw MalformedBytes("a shard filter is 0 to 4, not \(raw)") }
        switch kind {
        case .fromTrimHorizon: self = .fromTrimHorizon
        case .atTrimHorizon: self = .atTrimHorizon
        case .atLatest: self = .atLatest
        case .atTimestamp: self = .atTimestamp(try reader.read())
        case .fromTimestamp: self = .fromTimestamp(try reader.read())
        }
    }
}
