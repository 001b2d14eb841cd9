// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A put as it lies in the bytes that arrived: nothing is copied, nothing allocated.
///
/// `init` walks the groups once, so that iterating cannot fail. Records and checksums of the bodies are not looked at:
/// `BatchBody.checksumMatches` and `RecordCursor` do that where the records are walked anyway.
package struct PutRecordsView {
    package let header: PutRecords.Header
    package let groupCount: Int
    /// Records of all groups, as their bodies claim; each has room for its header at least.
    package let recordCount: Int
    /// Whether the server routes record by record; then there is one group.
    package let isRoutedByServer: Bool
    /// Groups only.
    let bytes: UnsafeRawBufferPointer

    /// `payload` must outlive the view.
    package init(payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        guard payload.count >= PutRecords.headerBytes else {
            throw MalformedBytes("a put of \(payload.count) bytes; its header has \(PutRecords.headerBytes)")
        }
        self.header = PutRecords.Header(
            stream: StreamID(payload.integer(at: 0)), mapVersion: payload.integer(at: PutRecords.mapVersionOffset),
            sequence: payload.integer(at: PutRecords.sequenceOffset),
            seenThrough: payload.integer(at: PutRecords.seenThroughOffset))
        let groups = Int(payload.integer(UInt32.self, at: PutRecords.groupCountOffset))
        guard payload.integer(UInt32.self, at: PutRecords.groupCountOffset + 4) == 0 else {
            throw MalformedBytes("the reserved field of a put is not 0")
        }
        guard (1...Wire.putGroupsMax).contains(groups) else {
            throw MalformedBytes("a put of \(groups) groups; 1 to \(Wire.putGroupsMax) are allowed")
        }
        let bytes = payload.slice(PutRecords.headerBytes, payload.count - PutRecords.headerBytes)
        let (records, routed) = try Self.walk(bytes, groups: groups)
        self.groupCount = groups
        self.recordCount = records
        self.isRoutedByServer = routed
        self.bytes = bytes
    }

    private static func walk(_ bytes: UnsafeRawBufferPointer, groups: Int) throws(MalformedBytes) -> (Int, Bool) {
        var offset = 0
        var records = 0
        var routed = false
        for _ in 0..<groups {
            guard bytes.count - offset >= PutRecords.groupHeaderBytes else {
                throw MalformedBytes("a put ends before its last group")
            }
            let shard = bytes.integer(UInt32.self, at: offset)
            let length = Int(bytes.integer(UInt32.self, at: offset + 4))
            offset += PutRecords.groupHeaderBytes
            guard length <= bytes.count - offset else {
                throw MalformedBytes("a group of \(length) bytes, \(bytes.count - offset) are there")
            }
            guard length <= Wire.bodyBytesMax else {
                throw MalformedBytes("a batch of \(length) bytes; at most \(Wire.bodyBytesMax) are allowed")
            }
            guard length >= BatchBody.headerBytes else {
                throw MalformedBytes(
                    "a group of \(length) bytes holds no batch: that has \(BatchBody.headerBytes) bytes and a record "
                        + "at least")
            }
            let body = try BatchBody.header(of: bytes.slice(offset, length))
            guard body.bodyLength == length else {
                throw MalformedBytes("a group of \(length) bytes holds a batch of \(body.bodyLength)")
            }
            guard body.count * BatchBody.recordHeaderBytes <= body.recordsLength else {
                throw MalformedBytes("a batch of \(body.count) records in \(body.recordsLength) bytes")
            }
            routed = routed || shard == Wire.routedByServer
            records += body.count
            offset += length
        }
        guard offset == bytes.count else { throw MalformedBytes("\(bytes.count - offset) bytes behind the last group") }
        guard !routed || groups == 1 else {
            throw MalformedBytes("a group that the server routes is the only one of its put")
        }
        return (records, routed)
    }

    package var groups: Groups { Groups(bytes: self.bytes) }
}

extension PutRecordsView {
    package struct Group {
        /// `nil`: routed by the server.
        package let shard: ShardNumber?
        /// The batch body; its header has been checked against its length.
        package let body: UnsafeRawBufferPointer

        package init(shard: ShardNumber?, body: UnsafeRawBufferPointer) {
            self.shard = shard
            self.body = body
        }
    }

    /// The groups in their order.
    package struct Groups: Sequence, IteratorProtocol {
        let bytes: UnsafeRawBufferPointer
        var offset = 0

        package init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        package mutating func next() -> Group? {
            // `PutRecordsView.init` has walked the same bytes: every group is whole.
            guard self.offset < self.bytes.count else { return nil }
            let shard = self.bytes.integer(UInt32.self, at: self.offset)
            let length = Int(self.bytes.integer(UInt32.self, at: self.offset + 4))
            let start = self.offset + 8
            self.offset = start + length
            return Group(
                shard: shard == UInt32.max ? nil : ShardNumber(shard), body: self.bytes.slice(start, length))
        }
    }
}
