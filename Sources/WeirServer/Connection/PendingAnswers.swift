// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirLog
import WeirModel
import WeirProtocol

/// Answers of one connection that wait for the log, in the order of the commits they were computed from.
///
/// All answers of one mark lie in one buffer, complete frames back to back, so that releasing a commit is one write
/// and costs the same for one answer and for a thousand. What must be known when it is lost stands in the frames.
package struct PendingAnswers {
    /// The answers of one mark.
    package struct Segment {
        package let mark: Mark
        package internal(set) var frames: ByteBuffer
        /// Puts among them and their payload bytes: the credit that goes back to the client.
        package internal(set) var puts = 0
        package internal(set) var putBytes = 0
        /// Bytes of frames that answer no put.
        fileprivate var otherBytes = 0
    }

    private var segments = CircularBuffer<Segment>()
    private let allocator: ByteBufferAllocator
    /// Bytes of frames that wait.
    package private(set) var bytes = 0
    /// Those that answer no put: puts are bounded by their credit.
    package private(set) var otherBytes = 0
    /// What it costs to keep them.
    package private(set) var heldBytes = 0

    /// Room for the answers of a few small puts.
    private static let segmentBytes = 2048

    package init(allocator: ByteBufferAllocator = ByteBufferAllocator()) {
        self.allocator = allocator
    }

    package var isEmpty: Bool { self.segments.isEmpty }

    /// Adds one frame of exactly `length` bytes, which `write` fills. `putBytes` is the payload length of the put that
    /// it answers; `nil` for other requests.
    package mutating func append(
        _ mark: Mark, length: Int, putBytes: Int? = nil, _ write: (UnsafeMutableRawBufferPointer) -> Void
    ) {
        let index = self.segment(for: mark, room: length)
        self.segments.modify(index) { segment in
            let before = segment.frames.capacity
            defer { self.heldBytes += segment.frames.capacity - before }
            segment.frames.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { raw in
                write(UnsafeMutableRawBufferPointer(rebasing: raw[..<length]))
                return length
            }
            if let putBytes {
                segment.puts += 1
                segment.putBytes += putBytes
            } else {
                segment.otherBytes += length
                self.otherBytes += length
            }
        }
        self.bytes += length
    }

    package mutating func append(_ mark: Mark, frame: [UInt8], putBytes: Int? = nil) {
        self.append(mark, length: frame.count, putBytes: putBytes) { raw in raw.copyBytes(from: frame) }
    }

    /// Marks nearly always rise, so the search begins at the end.
    private mutating func segment(for mark: Mark, room: Int) -> CircularBuffer<Segment>.Index {
        var index = self.segments.endIndex
        while index > self.segments.startIndex {
            let before = self.segments.index(before: index)
            if self.segments[before].mark == mark { return before }
            if self.segments[before].mark.precedes(mark) { break }
            index = before
        }
        let frames = self.allocator.buffer(capacity: max(room, Self.segmentBytes))
        let segment = Segment(mark: mark, frames: frames)
        self.heldBytes += frames.capacity
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

    /// The oldest segment, when the log has decided about it. Of what is lost every answer says instead that nobody
    /// knows what became of its request.
    package mutating func popSettled(_ watermark: Watermark, reason: String) -> Segment? {
        guard var first = self.segments.first else { return nil }
        let verdict = watermark.judge(first.mark)
        guard verdict != .pending else { return nil }
        self.segments.removeFirst()
        self.bytes -= first.frames.readableBytes
        self.otherBytes -= first.otherBytes
        self.heldBytes -= first.frames.capacity
        if verdict == .lost { first.frames = self.rewrite(first.frames, reason: reason) }
        return first
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
            verdict: WeirError.Verdict(maybeStored: true, retry: .after(millis: 200)))
    }
}
