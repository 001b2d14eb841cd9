// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The one call that takes a name: what it answers holds the id that every other call takes.
///
/// ```
/// u8 kind (0 name, 1 id) | text name or u64 id
/// ```
package struct DescribeStream: WireCall {
    package typealias Answer = StreamAnswer
    package static let type = FrameType.describeStream

    package enum Reference: Hashable, Sendable {
        /// As it came: `StreamName` judges it.
        case name(String)
        case id(StreamID)
    }

    package let stream: Reference

    package init(stream: Reference) {
        self.stream = stream
    }

    package func validate() throws(WeirError) {
        if case .name(let name) = self.stream { _ = try StreamName(name) }
    }

    package func encode(into writer: inout ByteWriter) {
        switch self.stream {
        case .name(let name):
            writer.write(UInt8(0))
            writer.write(name)
        case .id(let id):
            writer.write(UInt8(1))
            writer.write(id.rawValue)
        }
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        switch try reader.read(UInt8.self) {
        case 0: self.stream = .name(try reader.readString())
        case 1: self.stream = .id(StreamID(try reader.read()))
        case let other: throw MalformedBytes("a stream is named by kind 0 or 1, not \(other)")
        }
    }
}
