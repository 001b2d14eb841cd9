// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// `u64 shard creation second | u32 shard | u64 index | u64 arrival second`
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
