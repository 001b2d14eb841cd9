// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension WeirClient {
    /// What the node says about itself.
    public func status(timeout: Duration? = nil) async throws -> NodeStatus {
        let answer = try await self.call(Status(), timeout: timeout, isRepeatable: true)
        return NodeStatus(
            numbers: answer.numbers.map { .init(name: $0.name, value: $0.value) },
            texts: answer.texts.map { .init(name: $0.name, value: $0.value) })
    }

    /// Asks whether the node is there.
    public func ping(timeout: Duration? = nil) async throws -> PingReply {
        let start = self.clock.monotonicNanos
        let answer = try await self.call(Ping(), timeout: timeout, isRepeatable: true)
        let nanos = self.clock.monotonicNanos - start
        return PingReply(
            serverTimeMillis: answer.serverTimeMillis, roundTrip: .nanoseconds(Int64(clamping: nanos)))
    }

    /// Name and version of the server and the number of its log, as it said hello.
    public func server() async throws -> ServerIdentity {
        let connection = try await self.controlConnection()
        guard let answer = connection.helloAnswer else {
            throw WeirError(.unavailable, "the connection was closed")
        }
        return ServerIdentity(
            name: answer.serverName, nodeID: answer.nodeID, protocolVersion: answer.version)
    }
}

/// Numbers and texts by name, in the server's order. `docs/wire-protocol.md` names those that can be relied on.
public struct NodeStatus: Hashable, Sendable {
    public struct Number: Hashable, Sendable {
        public let name: String
        public let value: Int64
    }

    public struct Text: Hashable, Sendable {
        public let name: String
        public let value: String
    }

    public let numbers: [Number]
    public let texts: [Text]

    /// The number of that name, such as `durable-lsn`.
    public func number(_ name: String) -> Int64? { self.numbers.first { $0.name == name }?.value }
    /// The text of that name, such as `version`.
    public func text(_ name: String) -> String? { self.texts.first { $0.name == name }?.value }
}

public struct PingReply: Hashable, Sendable {
    package let serverTimeMillis: Int64
    /// The server's time of day.
    public var serverTime: Timestamp { Timestamp(millisecondsSince1970: self.serverTimeMillis) }
    public let roundTrip: Duration
}

public struct ServerIdentity: Hashable, Sendable {
    /// Such as `weir 0.1.0`.
    public let name: String
    public let nodeID: UInt64
    public let protocolVersion: UInt16
}
