// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The applications that consume a stream, in the order of their names.
///
/// ```
/// u64 stream
/// ```
package struct ListApplications: WireCall {
    package typealias Answer = ListApplicationsAnswer
    package static let type = FrameType.listApplications

    package let stream: StreamID

    package init(stream: StreamID) {
        self.stream = stream
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.stream = StreamID(try reader.read())
    }
}

/// ```
/// u32 n, n x (text name | i64 created, ms | u32 workers | u32 leases | u64 records behind | i64 ms behind)
/// ```
package struct ListApplicationsAnswer: WireMessage {
    /// At most 64.
    package let applications: [ApplicationDescription]

    package init(applications: [ApplicationDescription]) {
        self.applications = applications
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.applications)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.applications = try reader.readList(of: ApplicationDescription.self)
    }
}

extension ApplicationDescription: WireElement {
    static let listMax = Limits.applicationsPerStream
    /// A name of one byte.
    static let wireBytesMin = 3 + 8 + 4 + 4 + LeaseDescription.Lag.wireBytes

    func encode(into writer: inout ByteWriter) {
        writer.write(self.name.description)
        writer.write(self.createdAtMillis)
        writer.write(UInt32(clamping: self.workers))
        writer.write(UInt32(clamping: self.leases))
        self.lag.encode(into: &writer)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        let name = try reader.readName(maxBytes: Limits.nameCharacters.upperBound) { text throws(WeirError) in
            try ApplicationName(text)
        }
        self.init(
            name: name, createdAtMillis: try reader.read(), workers: Int(try reader.read(UInt32.self)),
            leases: Int(try reader.read(UInt32.self)), lag: try LeaseDescription.Lag(reading: &reader))
    }
}
