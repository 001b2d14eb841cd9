// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Walks placements and bodies, and verifies both checksums of each.
package struct BatchCursor {
    package struct Batch {
        package let placement: Placement
        /// Header and records.
        package let body: UnsafeRawBufferPointer
        package var records: UnsafeRawBufferPointer {
            self.body.slice(BatchBody.headerBytes, self.body.count - BatchBody.headerBytes)
        }

        var miscounted: MalformedBytes {
            MalformedBytes("a batch of \(self.placement.count) records holds another number")
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private let stream: StreamID
    private let shard: ShardNumber
    private var offset = 0

    package init(bytes: UnsafeRawBufferPointer, stream: StreamID, shard: ShardNumber) {
        self.bytes = bytes
        self.stream = stream
        self.shard = shard
    }

    /// The next batch; `nil` behind the last one. After an error the walk is over.
    package mutating func next() throws(MalformedBytes) -> Batch? {
        let left = self.bytes.count - self.offset
        if left == 0 { return nil }
        let placement = try Placement(reading: self.bytes.slice(self.offset, left))
        guard placement.stream == self.stream, placement.shard == self.shard else {
            throw MalformedBytes("a batch of another shard")
        }
        guard placement.totalLength <= left else {
            throw MalformedBytes("a batch of \(placement.totalLength) bytes, \(left) are there")
        }
        guard placement.firstIndex <= SequenceNumber.endIndex - UInt64(placement.count) else {
            throw MalformedBytes("an index beyond what a shard can hold")
        }
        let body = self.bytes.slice(self.offset + Placement.bytes, placement.bodyLength)
        let header = try BatchBody.header(of: body)
        guard header.bodyLength == body.count, header.count == placement.count else {
            throw MalformedBytes("a batch does not fit its placement")
        }
        guard BatchBody.checksumMatches(body, header) else {
            throw MalformedBytes("the checksum of the batch at index \(placement.firstIndex) does not match")
        }
        self.offset += placement.totalLength
        return Batch(placement: placement, body: body)
    }
}
