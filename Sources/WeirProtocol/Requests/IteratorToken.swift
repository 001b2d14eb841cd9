// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel

/// What is inside a shard iterator: a position, not a cursor, so it may be used again until it expires.
///
/// ```
/// 0  u32  magic "WIT1"     12  u32  shard      24  i64  issued, ms since 1970     40  u32  CRC-32C of 0..<40
/// 4  u64  stream           16  u64  index      32  u64  node id
/// ```
/// The checksum keeps mistakes out, not people: whoever may read the stream may read it from anywhere.
package struct IteratorToken: Hashable, Sendable {
    package static let bytes = 44
    static let magic: UInt32 = 0x3154_4957

    package let stream: StreamID
    package let shard: ShardNumber
    /// Of the next record to read.
    package let index: UInt64
    package let issuedAtMillis: Int64
    /// The log id of the node that issued it.
    package let nodeID: UInt64

    package init(stream: StreamID, shard: ShardNumber, index: UInt64, issuedAtMillis: Int64, nodeID: UInt64) {
        self.stream = stream
        self.shard = shard
        self.index = index
        self.issuedAtMillis = issuedAtMillis
        self.nodeID = nodeID
    }

    static let invalid = WeirError(
        .invalidArgument, "Invalid ShardIterator: these bytes are not an iterator that this service gave out")

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.bytes)
        writer.write(Self.magic)
        writer.write(self.stream.rawValue)
        writer.write(self.shard.rawValue)
        writer.write(self.index)
        writer.write(self.issuedAtMillis)
        writer.write(self.nodeID)
        writer.write(writer.bytes.withUnsafeBytes { weir_crc32c(0, $0.baseAddress, $0.count) })
        return writer.bytes
    }

    /// Throws `invalidArgument` for anything that `encode` did not make.
    package init(parsing token: [UInt8]) throws(WeirError) {
        guard let token = token.withUnsafeBytes({ Self.read($0) }) else { throw Self.invalid }
        self = token
    }

    private static func read(_ raw: UnsafeRawBufferPointer) -> IteratorToken? {
        guard raw.count == Self.bytes, raw.integer(UInt32.self, at: 0) == Self.magic,
            raw.integer(UInt32.self, at: 40) == weir_crc32c(0, raw.baseAddress, 40)
        else { return nil }
        return IteratorToken(
            stream: StreamID(raw.integer(at: 4)), shard: ShardNumber(raw.integer(at: 12)),
            index: raw.integer(at: 16), issuedAtMillis: raw.integer(at: 24), nodeID: raw.integer(at: 32))
    }

    /// Refuses an iterator of another node (`invalidArgument`) and one that is older than it may be
    /// (`iteratorExpired`). One from the future, after the clock was set back, is taken.
    package func check(nodeID: UInt64, nowMillis: Int64) throws(WeirError) {
        guard self.nodeID == nodeID else { throw Self.invalid }
        let (age, overflow) = nowMillis.subtractingReportingOverflow(self.issuedAtMillis)
        let expired = overflow ? nowMillis > self.issuedAtMillis : age > Limits.iteratorMillis
        guard !expired else {
            throw WeirError(
                .iteratorExpired,
                "the iterator was issued at \(self.issuedAtMillis) ms and is used at \(nowMillis) ms: it is valid for "
                    + "\(Limits.iteratorMillis) ms")
        }
    }
}
