// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Asks whether the server is there. No payload.
package struct Ping: WireCall {
    package typealias Answer = PingAnswer
    package static let type = FrameType.ping

    package init() {}

    package func encode(into writer: inout ByteWriter) {}
    package init(reading reader: inout ByteReader) throws(MalformedBytes) {}
}

/// ```
/// i64 server's time, ms since 1970
/// ```
package struct PingAnswer: WireMessage {
    package let serverTimeMillis: Int64

    package init(serverTimeMillis: Int64) {
        self.serverTimeMillis = serverTimeMillis
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.serverTimeMillis)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.serverTimeMillis = try reader.read()
    }
}
