// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Answered with records (`RecordsHeader.answerHead`, `RecordsView`), at the latest after `waitMillis`.
///
/// ```
/// u16 n, n bytes: the iterator | u32 limit, records | u32 bytes at most | u32 wait, ms
/// with the feature `quotedReads`, for a place or a lease:
/// optional (u64 stream | u32 shard | start (kinds 0 to 5)) | optional (text application | u64 counter)
/// ```
/// Either the iterator or the place says where to read: with a place there are 0 bytes of iterator.
package struct GetRecords: WireRequest {
    package static let type = FrameType.getRecords

    /// Where to read.
    package enum From: Hashable, Sendable {
        /// As a server gave it.
        case iterator([UInt8])
        /// What an iterator would be asked for, or an index that an earlier answer named.
        case place(StreamID, ShardNumber, ReadStart)
    }

    package let from: From
    /// 1 to 10,000 records.
    package let limit: UInt32
    /// 1 to 10,485,760 bytes of data and keys; one record comes even if it is larger.
    package let maxBytes: UInt32
    /// How long the server may wait for a first record: 0 to 60,000 ms.
    package let waitMillis: UInt32
    /// The lease that a worker reads under: refused with `leaseLost` when it is no more that one.
    package let lease: ReadLease?

    package init(
        from: From, limit: UInt32 = UInt32(Limits.getRecordsMax), maxBytes: UInt32 = UInt32(Limits.getBytesMax),
        waitMillis: UInt32 = 0, lease: ReadLease? = nil
    ) {
        self.from = from
        self.limit = limit
        self.maxBytes = maxBytes
        self.waitMillis = waitMillis
        self.lease = lease
    }

    package init(
        iterator: [UInt8], limit: UInt32 = UInt32(Limits.getRecordsMax),
        maxBytes: UInt32 = UInt32(Limits.getBytesMax), waitMillis: UInt32 = 0
    ) {
        self.init(from: .iterator(iterator), limit: limit, maxBytes: maxBytes, waitMillis: waitMillis)
    }

    /// Whether only a server with `Wire.Features.quotedReads` reads it. Another one refuses it as malformed: it never
    /// leaves the lease out.
    package var needsQuotedReads: Bool {
        guard self.lease == nil, case .iterator = self.from else { return true }
        return false
    }

    package func validate() throws(WeirError) {
        if case .iterator(let iterator) = self.from, iterator.count > Limits.iteratorBytesMax {
            throw IteratorToken.invalid
        }
        guard (1...Limits.getRecordsMax).contains(Int(self.limit)) else {
            throw WeirError(
                .invalidArgument, "a limit of \(self.limit) records is not allowed: 1 to \(Limits.getRecordsMax)")
        }
        guard (1...Limits.getBytesMax).contains(Int(self.maxBytes)) else {
            throw WeirError(
                .invalidArgument, "a limit of \(self.maxBytes) bytes is not allowed: 1 to \(Limits.getBytesMax)")
        }
        guard self.waitMillis <= Limits.longPollMillisMax else {
            throw WeirError(
                .invalidArgument,
                "a wait of \(self.waitMillis) ms is not allowed: 0 to \(Limits.longPollMillisMax)")
        }
        _ = try self.lease?.application.get()
    }

    package func encode(into writer: inout ByteWriter) {
        if case .iterator(let iterator) = self.from { writer.write(short: iterator) } else { writer.write(short: []) }
        writer.write(self.limit)
        writer.write(self.maxBytes)
        writer.write(self.waitMillis)
        guard self.needsQuotedReads else { return }
        if case .place(let stream, let shard, let start) = self.from {
            writer.write(true)
            writer.write(stream.rawValue)
            writer.write(shard.rawValue)
            start.encode(into: &writer)
        } else {
            writer.write(false)
        }
        writer.write(self.lease != nil)
        self.lease?.encode(into: &writer)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let iterator = try reader.readShortBytes()
        self.limit = try reader.read()
        self.maxBytes = try reader.read()
        self.waitMillis = try reader.read()
        guard reader.remaining > 0 else {
            self.from = .iterator(iterator)
            self.lease = nil
            return
        }
        if try reader.readBool() {
            guard iterator.isEmpty else { throw MalformedBytes("both an iterator and a place to read from") }
            self.from = .place(
                StreamID(try reader.read()), ShardNumber(try reader.read()), try ReadStart(reading: &reader))
        } else {
            self.from = .iterator(iterator)
        }
        self.lease = try reader.readBool() ? try ReadLease(reading: &reader) : nil
        guard self.needsQuotedReads else { throw MalformedBytes("neither a place nor a lease where one is announced") }
    }
}
