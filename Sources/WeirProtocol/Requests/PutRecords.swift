// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The form of a put: records grouped by shard, each group a batch body as it will be stored.
///
/// ```
/// 0   u64  stream                                     24  u64  seen through
/// 8   u64  map version that the groups were made by   32  u32  groups, 1 to 10,000
/// 16  u64  sequence (0: not ordered)                  36  u32  0
/// 40  groups: u32 shard | u32 body length | body; shard 0xFFFFFFFF: routed by the server, then the only group
/// ```
package enum PutRecords {
    package static let type = FrameType.putRecords
    package static let headerBytes = 40
    package static let groupHeaderBytes = 8
    static let mapVersionOffset = 8
    static let sequenceOffset = 16
    static let seenThroughOffset = 24
    static let groupCountOffset = 32

    /// The fixed fields in front of the groups.
    package typealias Header = PutHeader

    /// Writes what is known only when the put is sent, or sent again, into a frame that is complete otherwise.
    package static func stamp(
        _ frame: inout [UInt8], correlation: UInt64, mapVersion: UInt64, sequence: UInt64, seenThrough: UInt64
    ) {
        precondition(frame.count >= FrameHeader.bytes + Self.headerBytes, "not the frame of a put")
        frame.withUnsafeMutableBytes { raw in
            raw.store(correlation, at: FrameHeader.correlationOffset)
            raw.store(mapVersion, at: FrameHeader.bytes + Self.mapVersionOffset)
            raw.store(sequence, at: FrameHeader.bytes + Self.sequenceOffset)
            raw.store(seenThrough, at: FrameHeader.bytes + Self.seenThroughOffset)
        }
    }
}

/// For a sender that lays a put out in memory of its own: the same form as `PutRecordsWriter` makes.
extension PutRecords {
    /// Bytes in front of the first group: frame header and the fixed fields.
    package static let frameHeadBytes = FrameHeader.bytes + Self.headerBytes

    /// Writes the first `frameHeadBytes` bytes of the frame of a put with `groups` groups and `payloadLength` bytes
    /// behind the frame header.
    package static func writeHead(
        to raw: UnsafeMutableRawBufferPointer, _ header: Header, groups: Int, payloadLength: Int, correlation: UInt64
    ) {
        FrameHeader(Self.type, length: payloadLength, correlation: correlation).write(to: raw)
        raw.store(header.stream.rawValue, at: FrameHeader.bytes)
        raw.store(header.mapVersion, at: FrameHeader.bytes + Self.mapVersionOffset)
        raw.store(header.sequence, at: FrameHeader.bytes + Self.sequenceOffset)
        raw.store(header.seenThrough, at: FrameHeader.bytes + Self.seenThroughOffset)
        raw.store(UInt32(groups), at: FrameHeader.bytes + Self.groupCountOffset)
        raw.store(UInt32(0), at: FrameHeader.bytes + Self.groupCountOffset + 4)
    }

    /// Writes the 8 bytes in front of a group's body; `nil` for the one group of a put that the server routes.
    package static func writeGroupHead(
        to raw: UnsafeMutableRawBufferPointer, shard: ShardNumber?, bodyLength: Int
    ) {
        raw.store(shard?.rawValue ?? Wire.routedByServer, at: 0)
        raw.store(UInt32(bodyLength), at: 4)
    }
}

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
