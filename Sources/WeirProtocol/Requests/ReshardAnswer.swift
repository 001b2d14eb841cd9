// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a split, a merge or a rescale did, once it is durable.
///
/// ```
/// u64 map version | u32 n, n x u32 closed shards | u32 n, n x u32 opened shards
/// ```
package struct ReshardAnswer: WireMessage {
    package let mapVersion: UInt64
    package let closed: [ShardNumber]
    /// Those that are open after it; steps in between are not named.
    package let opened: [ShardNumber]

    package init(mapVersion: UInt64, closed: [ShardNumber], opened: [ShardNumber]) {
        self.mapVersion = mapVersion
        self.closed = closed
        self.opened = opened
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.mapVersion)
        writer.write(self.closed)
        writer.write(self.opened)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.mapVersion = try reader.read()
        self.closed = try reader.readList(of: ShardNumber.self)
        self.opened = try reader.readList(of: ShardNumber.self)
    }
}
