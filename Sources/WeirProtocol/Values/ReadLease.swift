// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The lease that a worker reads a shard under, as its reads quote it.
///
/// ```
/// text application | u64 counter
/// ```
package struct ReadLease: Hashable, Sendable {
    package let application: SentName<ApplicationName>
    package let counter: UInt64

    package init(application: SentName<ApplicationName>, counter: UInt64) {
        self.application = application
        self.counter = counter
    }

    func encode(into writer: inout ByteWriter) {
        self.application.encode(into: &writer)
        writer.write(self.counter)
    }

    init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.init(application: try SentName(reading: &reader), counter: try reader.read())
    }
}
