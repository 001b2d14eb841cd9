// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// u32 shard | u64 counter | checkpoint | u8 to be handed over (0, 1)
/// ```
extension AssignedLease: WireElement {
    /// A worker can hold every row of a node's lease table, and a frame has room for them.
    static let listMax = Limits.leasesMax
    static let wireBytesMin = 4 + 8 + LeaseCheckpoint.wireBytesMin + 1

    func encode(into writer: inout ByteWriter) {
        writer.write(self.shard.rawValue)
        writer.write(self.counter)
        self.checkpoint.encode(into: &writer)
        writer.write(self.isToBeHandedOver)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            shard: ShardNumber(try reader.read()), counter: try reader.read(),
            checkpoint: try LeaseCheckpoint(reading: &reader), isToBeHandedOver: try reader.readBool())
    }
}
