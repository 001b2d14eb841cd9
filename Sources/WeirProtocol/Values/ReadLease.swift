// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The lease that a worker reads a shard under, as its reads quote it.
///
/// ```
/// text application | u64 counter
/// ```
package struct ReadLease: Hashable, Sendable {
    /// As it came: `ApplicationName` judges it.
    package let application: String
    package let counter: UInt64

    package init(application: String, counter: UInt64) {
        self.application = application
        self.counter = counter
    }

    package func applicationName() throws(WeirError) -> ApplicationName { try ApplicationName(self.application) }

    func encode(into writer: inout ByteWriter) {
        writer.write(self.application)
        writer.write(self.counter)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(application: try reader.readString(), counter: try reader.read())
    }
}
