// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A worker of an application of a stream, as its requests name it.
///
/// ```
/// u64 stream | text application | text worker | u64 incarnation
/// ```
package struct Member: Hashable, Sendable {
    package let stream: StreamID
    package let application: SentName<ApplicationName>
    package let worker: SentName<WorkerID>
    /// Which life of the worker; drawn at its start.
    package let incarnation: UInt64

    package init(
        stream: StreamID, application: SentName<ApplicationName>, worker: SentName<WorkerID>, incarnation: UInt64
    ) {
        self.stream = stream
        self.application = application
        self.worker = worker
        self.incarnation = incarnation
    }

    package init(stream: StreamID, application: ApplicationName, owner: LeaseOwner) {
        self.init(
            stream: stream, application: SentName(application), worker: SentName(owner.worker),
            incarnation: owner.incarnation)
    }

    package func owner() throws(WeirError) -> LeaseOwner {
        LeaseOwner(worker: try self.worker.get(), incarnation: self.incarnation)
    }

    func validate() throws(WeirError) {
        _ = try self.application.get()
        _ = try self.owner()
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        self.application.encode(into: &writer)
        self.worker.encode(into: &writer)
        writer.write(self.incarnation)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            stream: StreamID(try reader.read()), application: try SentName(reading: &reader),
            worker: try SentName(reading: &reader), incarnation: try reader.read())
    }
}
