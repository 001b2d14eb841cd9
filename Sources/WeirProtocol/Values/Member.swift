// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A worker of an application of a stream, as its requests name it.
///
/// ```
/// u64 stream | text application | text worker | u64 incarnation
/// ```
package struct Member: Hashable, Sendable {
    package let stream: StreamID
    /// As it came: `ApplicationName` judges it.
    package let application: String
    /// As it came: `WorkerID` judges it.
    package let worker: String
    /// Which life of the worker; drawn at its start.
    package let incarnation: UInt64

    package init(stream: StreamID, application: String, worker: String, incarnation: UInt64) {
        self.stream = stream
        self.application = application
        self.worker = worker
        self.incarnation = incarnation
    }

    package init(stream: StreamID, application: ApplicationName, owner: LeaseOwner) {
        self.init(
            stream: stream, application: application.description, worker: owner.worker.description,
            incarnation: owner.incarnation)
    }

    package func applicationName() throws(WeirError) -> ApplicationName { try ApplicationName(self.application) }

    package func owner() throws(WeirError) -> LeaseOwner {
        LeaseOwner(worker: try WorkerID(self.worker), incarnation: self.incarnation)
    }

    func validate() throws(WeirError) {
        _ = try self.applicationName()
        _ = try self.owner()
    }

    func encode(into writer: inout ByteWriter) {
        writer.write(self.stream.rawValue)
        writer.write(self.application)
        writer.write(self.worker)
        writer.write(self.incarnation)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(
            stream: StreamID(try reader.read()), application: try reader.readString(),
            worker: try reader.readString(), incarnation: try reader.read())
    }
}
