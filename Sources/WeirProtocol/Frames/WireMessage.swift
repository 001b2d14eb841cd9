// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A value that is the payload of a frame, and the way there and back.
package protocol WireMessage: Hashable, Sendable {
    /// Whether bytes may follow that this version does not know. Only Hello may grow: everything behind it is of the
    /// version that Hello settled.
    static var mayGrow: Bool { get }

    func encode(into writer: inout ByteWriter)

    /// The message for a connection whose ends both have these features (`Wire.Features`): with what only such ends
    /// understand.
    func told(to features: UInt64) -> Self

    /// Reads the form and checks what this version can tell of it: lengths, counts before anything is allocated,
    /// kinds. Whether a value is *allowed* is `validate()`'s to say.
    init(reading reader: inout ByteReader) throws(MalformedBytes)
}

/// A message that a client sends and that the server answers, at least with `ErrorAnswer`.
package protocol WireRequest: WireMessage {
    static var type: FrameType { get }

    /// Refuses values outside what is allowed, with `invalidArgument` and a sentence that says what is.
    func validate() throws(WeirError)
}

/// A request whose answer is a message too, and not a view into the bytes that arrived.
package protocol WireCall: WireRequest {
    associatedtype Answer: WireMessage
}

/// A message that is sent without having been asked for, or that is not answered.
package protocol WirePush: WireMessage {
    static var type: FrameType { get }
}

extension WireMessage {
    package static var mayGrow: Bool { false }

    package func told(to features: UInt64) -> Self { self }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        self.encode(into: &writer)
        return writer.bytes
    }

    /// Reads a whole payload; bytes too many are malformed too.
    package init(payload: UnsafeRawBufferPointer) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        try self.init(reading: &reader)
        if !Self.mayGrow { try reader.expectEnd() }
    }

    /// The whole frame: header and payload.
    package func frame(_ type: FrameType, correlation: UInt64) -> [UInt8] {
        var writer = ByteWriter(capacity: 128)
        FrameHeader(type, length: 0, correlation: correlation).encode(into: &writer)
        self.encode(into: &writer)
        writer.overwrite(
            UInt32(clamping: writer.count - FrameHeader.bytes), at: FrameHeader.lengthOffset)
        return writer.bytes
    }
}

extension WireRequest {
    package func validate() throws(WeirError) {}

    package func frame(correlation: UInt64) -> [UInt8] {
        self.frame(Self.type, correlation: correlation)
    }

    /// What a server does with a payload: reads the form (`malformedRequest`), then judges the values
    /// (`invalidArgument`). The connection lives on after both.
    package init(request payload: UnsafeRawBufferPointer) throws(WeirError) {
        do {
            try self.init(payload: payload)
        } catch {
            throw WeirError(.malformedRequest, "\(Self.self): \(error.description)")
        }
        try self.validate()
    }
}

extension WireCall {
    /// The frame of the answer to this kind of request.
    package static func answerFrame(_ answer: Answer, correlation: UInt64) -> [UInt8] {
        answer.frame(Self.type.answer ?? .error, correlation: correlation)
    }
}

extension WirePush {
    /// The whole frame, with correlation id 0.
    package func frame() -> [UInt8] {
        self.frame(Self.type, correlation: 0)
    }
}

/// An answer that says no more than that it was done.
package struct Empty: WireMessage {
    package init() {}

    package func encode(into writer: inout ByteWriter) {}
    package init(reading reader: inout ByteReader) throws(MalformedBytes) {}
}
