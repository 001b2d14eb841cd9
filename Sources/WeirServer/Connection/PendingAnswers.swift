// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// Answers of one connection that wait for the log, in the order of the commits they were computed from.
///
/// All answers of one commit lie in one buffer, complete frames back to back, so that releasing a commit is one write
/// and costs the same for one answer and for a thousand. What must be known when the commit fails stands in the frames.
package struct PendingAnswers {
    /// The answers of one commit.
    package struct Segment {
        package let lsn: LSN
        package internal(set) var frames: ByteBuffer
        /// Puts among them and their payload bytes: the credit that goes back to the client.
        package internal(set) var puts = 0
        package internal(set) var putBytes = 0
    }

    private var segments = CircularBuffer<Segment>()
    private let allocator: ByteBufferAllocator
    /// Bytes of frames that wait.
    package private(set) var bytes = 0

    /// Room for the answers of a few small puts.
    private static let segmentBytes = 2048

    package init(allocator: ByteBufferAllocator = ByteBufferAllocator()) {
        self.allocator = allocator
    }

    package var isEmpty: Bool { self.segments.isEmpty }

    /// Adds one frame of exactly `length` bytes, which `write` fills. `putBytes` is the payload length of the put that
    /// it answers; `nil` for other requests.
    package mutating func append(
        _ lsn: LSN, length: Int, putBytes: Int? = nil, _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let index = self.segment(for: lsn, room: length)
        self.segments.modify(index) { segment in
            segment.frames.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { raw in
                write(UnsafeMutableRawBufferPointer(rebasing: raw[..<length]))
                return length
            }
            if let putBytes {
                segment.puts += 1
                segment.putBytes += putBytes
            }
        }
        self.bytes += length
    }

    package mutating func append(_ lsn: LSN, frame: [UInt8], putBytes: Int? = nil) {
        self.append(lsn, length: frame.count, putBytes: putBytes) { raw in raw.copyBytes(from: frame) }
    }

    /// Positions nearly always rise, so the search begins at the end.
    private mutating func segment(for lsn: LSN, room: Int) -> CircularBuffer<Segment>.Index {
        var index = self.segments.endIndex
        while index > self.segments.startIndex {
            let before = self.segments.index(before: index)
            if self.segments[before].lsn == lsn { return before }
            if self.segments[before].lsn < lsn { break }
            index = before
        }
        let frames = self.allocator.buffer(capacity: max(room, Self.segmentBytes))
        let segment = Segment(lsn: lsn, frames: frames)
        if index == self.segments.endIndex {
            self.segments.append(segment)
            return self.segments.index(before: self.segments.endIndex)
        }
        let distance = self.segments.distance(from: self.segments.startIndex, to: index)
        var all = Array(self.segments)
        all.insert(segment, at: distance)
        self.segments = CircularBuffer(all)
        return self.segments.index(self.segments.startIndex, offsetBy: distance)
    }

    /// The oldest segment, when `durable` has reached it.
    package mutating func popReleased(_ durable: LSN) -> Segment? {
        guard let first = self.segments.first, first.lsn <= durable else { return nil }
        self.segments.removeFirst()
        self.bytes -= first.frames.readableBytes
        return first
    }

    /// A write failed: takes out every answer above `durable` and says of each request that nobody knows what became
    /// of it. To be sent at once.
    package mutating func fail(above durable: LSN, reason: String) -> [Segment] {
        var failed: [Segment] = []
        while let last = self.segments.last, last.lsn > durable {
            self.segments.removeLast()
            self.bytes -= last.frames.readableBytes
            failed.append(last)
        }
        return failed.reversed().map { segment in
            var rewritten = segment
            rewritten.frames = self.rewrite(segment.frames, reason: reason)
            return rewritten
        }
    }

    private func rewrite(_ frames: ByteBuffer, reason: String) -> ByteBuffer {
        var rewritten = self.allocator.buffer(capacity: frames.readableBytes)
        frames.withUnsafeReadableBytes { raw in
            var offset = 0
            while offset < raw.count {
                let rest = raw.slice(offset, raw.count - offset)
                guard let header = try? FrameHeader(reading: rest) else {
                    preconditionFailure("an answer that waits is not a whole frame")
                }
                let error = ErrorAnswer(error: Self.error(for: header.type, reason: reason))
                rewritten.writeBytes(error.frame(correlation: header.correlation))
                offset += header.totalLength
            }
        }
        return rewritten
    }

    /// A put is `outcomeUnknown`; another request may be tried again, and its verdict says that it may have been done.
    private static func error(for answer: FrameType?, reason: String) -> WeirError {
        if answer == PutRecordsAnswer.type {
            return WeirError(.outcomeUnknown, "whether the records were stored is not known: \(reason)")
        }
        return WeirError(
            .unavailable, "whether this was done is not known: \(reason)",
            verdict: WeirError.Verdict(maybeStored: true, retry: .after(200)))
    }
}
