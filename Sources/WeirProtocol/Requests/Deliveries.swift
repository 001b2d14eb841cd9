// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Makes, changes or removes a delivery that the server runs by itself.
///
/// ```
/// u64 stream | text application | u8 change (0 create, 1 update, 2 delete) | text configuration, empty for delete
/// ```
package struct SetDelivery: WireCall {
    package typealias Answer = Empty
    package static let type = FrameType.setDelivery

    package enum Change: Hashable, Sendable {
        /// Refused when it is there already.
        case create(String)
        /// Refused when it is not there.
        case update(String)
        case delete
    }

    package let stream: StreamID
    package let application: SentName<ApplicationName>
    package let change: Change

    package init(stream: StreamID, application: SentName<ApplicationName>, change: Change) {
        self.stream = stream
        self.application = application
        self.change = change
    }

    package func validate() throws(WeirError) {
        _ = try self.application.get()
        guard case .create(let text) = self.change else {
            if case .update(let text) = self.change { try Self.check(text) }
            return
        }
        try Self.check(text)
    }

    private static func check(_ text: String) throws(WeirError) {
        guard Limits.deliveryConfigurationBytes.contains(text.utf8.count) else {
            throw WeirError(
                .invalidArgument,
                "the configuration of a delivery has \(text.utf8.count) bytes; "
                    + "\(Limits.deliveryConfigurationBytes.lowerBound) to "
                    + "\(Limits.deliveryConfigurationBytes.upperBound) are allowed")
        }
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.application.encode(into: &writer)
        switch self.change {
        case .create(let text):
            writer.write(UInt8(0))
            writer.write(text)
        case .update(let text):
            writer.write(UInt8(1))
            writer.write(text)
        case .delete:
            writer.write(UInt8(2))
            writer.write("")
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
        self.application = try SentName(reading: &reader)
        let kind: UInt8 = try reader.read()
        let text = try reader.readString()
        switch kind {
        case 0: self.change = .create(text)
        case 1: self.change = .update(text)
        case 2 where text.isEmpty: self.change = .delete
        case 2: throw MalformedBytes("a delivery that is deleted has a configuration of \(text.utf8.count) bytes")
        default: throw MalformedBytes("a delivery is changed in way 0 to 2, not \(kind)")
        }
    }
}

/// The deliveries that the server runs by itself: of one stream, or of all streams in the order of their names.
///
/// ```
/// u8 0 | u64 stream
/// u8 1 | optional text: the name of the stream after which to begin
/// ```
package struct ListDeliveries: WireCall {
    package typealias Answer = ListDeliveriesAnswer
    package static let type = FrameType.listDeliveries

    package enum Scope: Hashable, Sendable {
        case stream(StreamID)
        /// `after` need not name a stream that exists.
        case all(after: SentName<StreamName>?)
    }

    package let scope: Scope

    package init(_ scope: Scope) {
        self.scope = scope
    }

    package func validate() throws(WeirError) {
        if case .all(let name?) = self.scope { _ = try name.get() }
    }

    package func encode(into writer: inout ByteWriter) {
        switch self.scope {
        case .stream(let stream):
            writer.write(UInt8(0))
            writer.write(stream.rawValue)
        case .all(let after):
            writer.write(UInt8(1))
            writer.write(after != nil)
            after?.encode(into: &writer)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let kind: UInt8 = try reader.read()
        switch kind {
        case 0: self.scope = .stream(StreamID(try reader.read()))
        case 1: self.scope = .all(after: try reader.readBool() ? try SentName(reading: &reader) : nil)
        default: throw MalformedBytes("deliveries are listed in scope 0 or 1, not \(kind)")
        }
    }
}

/// ```
/// optional text: the stream after which there may be more
/// u32 n, n x (u64 stream | text name | text application | text configuration | text status)
/// ```
package struct ListDeliveriesAnswer: WireMessage {
    package let after: String?
    /// At most 80.
    package let deliveries: [DeliveryStream]

    package init(after: String?, deliveries: [DeliveryStream]) {
        self.after = after
        self.deliveries = deliveries
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.after != nil)
        if let after { writer.write(after) }
        writer.write(self.deliveries)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.after = try reader.readBool() ? try reader.readString() : nil
        self.deliveries = try reader.readList(of: DeliveryStream.self)
    }
}

extension DeliveryStream: WireElement {
    static let listMax = Limits.deliveriesPerAnswer
    /// Names of one byte.
    static let wireBytesMin = 8 + 3 + 3 + 2 + 2

    func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.streamName.description)
        writer.write(self.application.description)
        writer.write(self.configuration)
        writer.write(self.status)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let stream = StreamID(try reader.read())
        let name = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
            try StreamName(text)
        }
        let application = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
            try ApplicationName(text)
        }
        self.init(
            stream: stream, streamName: name, application: application,
            configuration: try reader.readString(maxBytes: Limits.deliveryConfigurationBytes.upperBound),
            status: try reader.readString(maxBytes: Limits.deliveryStatusBytesMax))
    }
}
