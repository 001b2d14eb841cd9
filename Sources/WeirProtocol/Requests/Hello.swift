// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The first frame of a connection: who the client is and which versions it speaks.
///
/// ```
/// 0  u32  magic "WEIR"        16  u64  session id (0: none)
/// 4  u16  lowest version      24  text client name, at most 128 bytes
/// 6  u16  highest version         text token, at most 256 bytes: empty until keys exist
/// 8  u64  feature bits            u64  connection number; may be absent: 0
///                                 what a later version adds
/// ```
package struct Hello: WireCall {
    package typealias Answer = HelloAnswer
    package static let type = FrameType.hello
    package static let mayGrow = true

    package let minVersion: UInt16
    package let maxVersion: UInt16
    /// What the client can do beyond the version; the server answers with those that it can do too.
    package let features: UInt64
    /// Says that this connection goes on where an earlier one of the same id stopped: the server fences that one,
    /// so that nothing it still had under way is admitted later. 0 for none.
    package let sessionID: UInt64
    /// Rises with every connection that the client makes for its session: one that it has given up and that comes late
    /// takes nothing over.
    package let connectionNumber: UInt64
    /// For the server's log and status, such as `weir-cli 0.1`.
    package let clientName: String
    package let token: String

    /// Cuts a name that is too long; throws `invalidArgument` for a token that is.
    package init(
        clientName: String, sessionID: UInt64 = 0, connectionNumber: UInt64 = 0, token: String = "",
        features: UInt64 = Wire.features,
        minVersion: UInt16 = Wire.version, maxVersion: UInt16 = Wire.version
    ) throws(WeirError) {
        guard token.utf8.count <= Wire.tokenBytesMax else {
            throw WeirError(
                .invalidArgument, "a token of \(token.utf8.count) bytes; at most \(Wire.tokenBytesMax) are allowed")
        }
        self.minVersion = minVersion
        self.maxVersion = maxVersion
        self.features = features
        self.sessionID = sessionID
        self.connectionNumber = connectionNumber
        self.clientName = cut(clientName, toBytes: Wire.clientNameBytesMax)
        self.token = token
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(Wire.magic)
        writer.write(self.minVersion)
        writer.write(self.maxVersion)
        writer.write(self.features)
        writer.write(self.sessionID)
        writer.write(self.clientName)
        writer.write(self.token)
        writer.write(self.connectionNumber)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        guard try reader.read(UInt32.self) == Wire.magic else {
            throw MalformedBytes("the first frame does not begin with WEIR")
        }
        self.minVersion = try reader.read()
        self.maxVersion = try reader.read()
        guard self.minVersion <= self.maxVersion else {
            throw MalformedBytes("versions \(self.minVersion) to \(self.maxVersion) are no range")
        }
        self.features = try reader.read()
        self.sessionID = try reader.read()
        self.clientName = try reader.readString(maxBytes: Wire.clientNameBytesMax)
        self.token = try reader.readString(maxBytes: Wire.tokenBytesMax)
        self.connectionNumber = reader.remaining > 0 ? try reader.read() : 0
    }
}

/// What the connection runs on.
///
/// ```
/// 0   u16  version           18  u32  put credit, bytes         30  i64  server's time, ms since 1970
/// 2   u64  feature bits      22  u32  put credit, requests      38  text server name, at most 128 bytes
/// 10  u64  node id           26  u32  frame bytes, at most
/// ```
package struct HelloAnswer: WireMessage {
    package let version: UInt16
    package let features: UInt64
    /// The log id of the node: iterators hold it.
    package let nodeID: UInt64
    /// Payload bytes of puts, and puts, that may be without an answer at one time.
    package let putCreditBytes: UInt32
    package let putCreditRequests: UInt32
    /// Bytes behind the header of a frame that the client sends.
    package let frameBytesMax: UInt32
    package let serverTimeMillis: Int64
    /// Name and version, such as `weir 0.1.0`.
    package let serverName: String

    package init(
        version: UInt16 = Wire.version, features: UInt64 = Wire.features, nodeID: UInt64, putCreditBytes: UInt32,
        putCreditRequests: UInt32, frameBytesMax: UInt32, serverTimeMillis: Int64, serverName: String
    ) {
        self.version = version
        self.features = features
        self.nodeID = nodeID
        self.putCreditBytes = putCreditBytes
        self.putCreditRequests = putCreditRequests
        self.frameBytesMax = frameBytesMax
        self.serverTimeMillis = serverTimeMillis
        self.serverName = cut(serverName, toBytes: Wire.clientNameBytesMax)
    }

    package func encode(into writer: inout ByteWriter) {
        writer.write(self.version)
        writer.write(self.features)
        writer.write(self.nodeID)
        writer.write(self.putCreditBytes)
        writer.write(self.putCreditRequests)
        writer.write(self.frameBytesMax)
        writer.write(self.serverTimeMillis)
        writer.write(self.serverName)
    }

    package init(reading reader: inout ByteReader) throws(MalformedBytes) {
        self.version = try reader.read()
        self.features = try reader.read()
        self.nodeID = try reader.read()
        self.putCreditBytes = try reader.read()
        self.putCreditRequests = try reader.read()
        self.frameBytesMax = try reader.read()
        self.serverTimeMillis = try reader.read()
        self.serverName = try reader.readString(maxBytes: Wire.clientNameBytesMax)
        guard self.putCreditRequests >= 1, self.putCreditBytes >= 1 else {
            throw MalformedBytes("HelloAnswer leaves no credit for a single put")
        }
        guard self.frameBytesMax >= Limits.helloFrameBytesMax, self.frameBytesMax <= Limits.frameBytesMax else {
            throw MalformedBytes("HelloAnswer names frames of \(self.frameBytesMax) bytes, outside 4 KiB to 16 MiB")
        }
    }
}
