// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Finds the next frame in bytes that have arrived. Pure: keeps nothing between calls, copies nothing.
package enum FrameScanner {
    /// How far the connection is, which decides how long a frame may be.
    package enum Phase: Hashable, Sendable {
        case beforeHello
        /// `frameBytesMax` as HelloAnswer named it.
        case open(frameBytesMax: Int)

        /// Bytes behind the header, at most.
        package var frameBytesMax: Int {
            switch self {
            case .beforeHello: Limits.helloFrameBytesMax
            case .open(let bytes): min(bytes, Limits.frameBytesMax)
            }
        }
    }

    package enum Outcome: Hashable, Sendable {
        /// At least so many bytes more are needed; the header once it is there, so that room for the whole frame can
        /// be reserved or refused before it comes.
        case needMore(Int, FrameHeader?)
        /// A whole frame; the range of its payload in the buffer. The next frame begins at the range's upper bound.
        case frame(FrameHeader, Range<Int>)
        /// The length is not allowed. What follows cannot be told apart any more: say so and close.
        case refused(FrameHeader, WeirError)
    }

    /// Looks at the frame that begins at the first byte of `buffer`.
    package static func next(in buffer: UnsafeRawBufferPointer, _ phase: Phase) -> Outcome {
        guard let header = try? FrameHeader(reading: buffer) else {
            return .needMore(FrameHeader.bytes - buffer.count, nil)
        }
        if let error = Self.refusal(of: header, phase) { return .refused(header, error) }
        if buffer.count < header.totalLength { return .needMore(header.totalLength - buffer.count, header) }
        return .frame(header, FrameHeader.bytes..<header.totalLength)
    }

    /// Why a frame of this length may not come now; `nil` when it may.
    package static func refusal(of header: FrameHeader, _ phase: Phase) -> WeirError? {
        guard header.length > phase.frameBytesMax else { return nil }
        switch phase {
        case .beforeHello:
            return WeirError(
                .frameTooLarge,
                "the first frame names \(header.length) bytes and may have \(phase.frameBytesMax): the other side does "
                    + "not speak Weir's binary protocol (HTTP or TLS, for example, do not belong on this port)")
        case .open:
            return WeirError(
                .frameTooLarge, "a frame of \(header.length) bytes; at most \(phase.frameBytesMax) are allowed")
        }
    }
}
