// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Builds the whole frame of a put in one array: groups are appended where they will be sent from.
package struct PutRecordsWriter {
    package private(set) var groupCount = 0
    private var bytes: [UInt8]

    /// `capacity` is what the frame will need, in bytes, so that nothing is copied while it grows.
    package init(_ header: PutRecords.Header, capacity: Int = 4096) {
        self.bytes = []
        self.bytes.reserveCapacity(capacity)
        self.bytes.append(contentsOf: repeatElement(0, count: FrameHeader.bytes + PutRecords.headerBytes))
        self.bytes.withUnsafeMutableBytes { raw in
            raw.store(header.stream.rawValue, at: FrameHeader.bytes)
            raw.store(header.mapVersion, at: FrameHeader.bytes + PutRecords.mapVersionOffset)
            raw.store(header.sequence, at: FrameHeader.bytes + PutRecords.sequenceOffset)
            raw.store(header.seenThrough, at: FrameHeader.bytes + PutRecords.seenThroughOffset)
        }
    }

    /// Bytes behind the frame header so far.
    package var payloadLength: Int { self.bytes.count - FrameHeader.bytes }

    /// What a group with a body of that many bytes adds.
    package static func groupLength(bodyLength: Int) -> Int { PutRecords.groupHeaderBytes + bodyLength }

    /// Appends a group; `nil` for the one group of a put that the server routes. `body` is a whole batch body.
    package mutating func append(shard: ShardNumber?, body: UnsafeRawBufferPointer) {
        self.appendHeader(shard: shard, bodyLength: body.count)
        self.bytes.append(contentsOf: body)
    }

    package mutating func append(shard: ShardNumber?, body: [UInt8]) {
        self.appendHeader(shard: shard, bodyLength: body.count)
        self.bytes.append(contentsOf: body)
    }

    private mutating func appendHeader(shard: ShardNumber?, bodyLength: Int) {
        withUnsafeBytes(of: (shard?.rawValue ?? Wire.routedByServer).littleEndian) {
            self.bytes.append(contentsOf: $0)
        }
        withUnsafeBytes(of: UInt32(clamping: bodyLength).littleEndian) { self.bytes.append(contentsOf: $0) }
        self.groupCount += 1
    }

    /// The finished frame. `PutRecords.stamp` may change correlation id and ordering later.
    package consuming func finish(correlation: UInt64 = 0) -> [UInt8] {
        let header = FrameHeader(PutRecords.type, length: self.payloadLength, correlation: correlation)
        let groups = UInt32(clamping: self.groupCount)
        self.bytes.withUnsafeMutableBytes { raw in
            header.write(to: raw)
            raw.store(groups, at: FrameHeader.bytes + PutRecords.groupCountOffset)
        }
        return self.bytes
    }
}
