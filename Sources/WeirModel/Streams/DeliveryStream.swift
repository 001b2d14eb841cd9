// SPDX-License-Identifier: Apache-2.0

/// A delivery of a stream into files that the server runs by itself.
package struct DeliveryStream: Hashable, Sendable {
    package let stream: StreamID
    package let streamName: StreamName
    /// Its name: it is the application that consumes the stream.
    package let application: ApplicationName
    /// What was asked for, as `DeliveryConfiguration` writes it.
    package let configuration: String
    /// A JSON object of what it does; empty before it has begun.
    package let status: String

    package init(
        stream: StreamID, streamName: StreamName, application: ApplicationName, configuration: String, status: String
    ) {
        self.stream = stream
        self.streamName = streamName
        self.application = application
        self.configuration = configuration
        self.status = status
    }
}
