// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// Some records of one chunk that belong to one lane, in their order.
package struct Run {
    let chunk: RecordChunk
    /// Range in the chunk's `order`.
    var start: Int
    var end: Int
    /// Whether an earlier attempt may have stored them.
    var maybeStored = false

    var count: Int { self.end - self.start }

    /// Where the run stands in the order of all records: chunks in the order of their submission, records in theirs.
    var place: Place { Place(ordinal: self.chunk.ordinal, position: self.chunk.order[self.start]) }

    struct Place: Comparable {
        let ordinal: UInt64
        let position: UInt16

        static func < (left: Self, right: Self) -> Bool {
            (left.ordinal, left.position) < (right.ordinal, right.position)
        }
    }
}

/// One put: what the machine decided to send, as ranges of the chunks that hold the records.
package struct PutRequest {
    /// The records of one lane.
    struct Group {
        let lane: Int
        let shard: ShardNumber
        /// Records.
        var count: Int
        /// Bytes of the records in stored form.
        var bytes: Int
        /// Where its runs end in `runs`; they begin where those of the group before end.
        var runsEnd: Int
    }

    var sequence: UInt64 = 0
    var seenThrough: UInt64 = 0
    var mapVersion: UInt64 = 0
    var groups: [Group] = []
    var runs: [Run] = []
    var count = 0
    /// Bytes of all records in stored form.
    var bytes = 0
    /// The server finds the shard of each record: there is one group on the wire.
    var isRouted = false
    var isAnswered = false

    /// Bytes behind the frame header.
    var payloadBytes: Int {
        let groups = self.isRouted ? 1 : self.groups.count
        return PutRecords.headerBytes + groups * Self.groupOverhead + self.bytes
    }

    static let groupOverhead = PutRecords.groupHeaderBytes + BatchBody.headerBytes

    /// The runs of the group at `position`.
    func runs(of position: Int) -> ArraySlice<Run> {
        self.runs[(position == 0 ? 0 : self.groups[position - 1].runsEnd)..<self.groups[position].runsEnd]
    }

    /// Writes the whole frame to the beginning of `raw`, which has room for header and payload.
    package func write(to raw: UnsafeMutableRawBufferPointer, stream: StreamID, correlation: UInt64) {
        let header = PutRecords.Header(
            stream: stream, mapVersion: self.mapVersion, sequence: self.sequence, seenThrough: self.seenThrough)
        PutRecords.writeHead(
            to: raw, header, groups: self.isRouted ? 1 : self.groups.count, payloadLength: self.payloadBytes,
            correlation: correlation)
        var offset = PutRecords.frameHeadBytes
        if self.isRouted {
            self.writeGroup(to: raw, &offset, shard: nil, runs: self.runs[...], count: self.count, bytes: self.bytes)
        } else {
            for (position, group) in self.groups.enumerated() {
                self.writeGroup(
                    to: raw, &offset, shard: group.shard, runs: self.runs(of: position), count: group.count,
                    bytes: group.bytes)
            }
        }
    }

    private func writeGroup(
        to raw: UnsafeMutableRawBufferPointer, _ offset: inout Int, shard: ShardNumber?, runs: ArraySlice<Run>,
        count: Int, bytes: Int
    ) {
        let bodyLength = BatchBody.headerBytes + bytes
        PutRecords.writeGroupHead(
            to: UnsafeMutableRawBufferPointer(rebasing: raw[offset..<offset + PutRecords.groupHeaderBytes]),
            shard: shard, bodyLength: bodyLength)
        offset += PutRecords.groupHeaderBytes
        let body = UnsafeMutableRawBufferPointer(rebasing: raw[offset..<offset + bodyLength])
        var end = BatchBody.headerBytes
        for run in runs { end += run.copyRecords(to: body, at: end) }
        BatchBody.seal(body, count: count, recordsLength: bytes)
        offset += bodyLength
    }
}

extension Run {
    /// Bytes of its records in stored form.
    func storedBytes() -> Int {
        let records = self.chunk.records
        // Whole chunks are frequent.
        if self.count == records.count { return records.length }
        return self.chunk.order.withUnsafeBufferPointer { order in
            var total = 0
            for slot in self.start..<self.end { total += records.bytes(at: Int(order[slot])) }
            return total
        }
    }

    /// Copies its records; neighbours in the chunk go together. Returns their bytes.
    func copyRecords(to body: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
        let records = self.chunk.records
        guard let target = body.baseAddress, let source = records.bytes.baseAddress else { return 0 }
        return self.chunk.order.withUnsafeBufferPointer { order in
            var written = start
            var slot = self.start
            while slot < self.end {
                let first = Int(order[slot])
                var last = first
                slot += 1
                while slot < self.end, Int(order[slot]) == last + 1 {
                    last += 1
                    slot += 1
                }
                let (from, to) = (Int(records.offsets[first]), Int(records.offsets[last + 1]))
                (target + written).copyMemory(from: source + from, byteCount: to - from)
                written += to - from
            }
            return written - start
        }
    }
}
