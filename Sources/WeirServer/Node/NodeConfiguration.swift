// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a node is told at its start. Every bound that an operator may change is here, with its default.
package struct NodeConfiguration: Sendable {
    package var storage: StorageConfiguration
    /// A numeric address or a host name to listen on.
    package var host = "127.0.0.1"
    /// 0 lets the system choose.
    package var port = 7411
    /// Listening beyond loopback without authentication has to be asked for.
    package var insecure = false
    /// Event loops, 1 to 64.
    package var loops: Int
    /// Connections at one time, 1 to 65,536; one more is told why it is closed.
    package var connectionsMax = 1100

    /// Payload bytes of puts, and puts, without an answer, for each connection.
    package var putCreditBytes = 32 << 20
    package var putCreditRequests = 1024
    /// Bytes behind a frame header, 4 KiB to 16 MiB.
    package var frameBytesMax = Limits.frameBytesMax
    /// Bytes of one read from a socket at most, 4 KiB to 4 MiB, rounded up to a power of two; each connection keeps a
    /// buffer that grows from 8 KiB to this while its reads fill it.
    package var receiveBytes = 512 << 10
    /// Bytes of frames that have arrived in part, over all connections; over it a put is refused for now.
    package var frameMemoryBytesMax = 256 << 20
    /// Bytes of records on their way out, over all connections; over it reads wait.
    package var readMemoryBytesMax = 256 << 20
    /// Bytes of answers and requests that wait, over all connections: for the log, for news, or for clients to read
    /// them. Each connection has 32 KiB beside it. Over it requests are kept as they came, and then refused.
    package var heldMemoryBytesMax = 128 << 20
    /// Bytes of answers that wait for a client to read them; over it the connection is closed.
    package var answerBytesMax = 8 << 20
    /// Requests of one connection that wait because answers are not read, or for records to come.
    package var waitingRequestsMax = 1024
    /// Subscriptions of one connection.
    package var subscriptionsMax = 10_000
    /// Long polls and subscriptions, over all connections.
    package var waitersMax = 65_536

    package var helloTimeoutMillis: Int64 = 10_000
    /// A frame that has begun and of which nothing comes closes the connection.
    package var stallTimeoutMillis: Int64 = 30_000
    /// A client that reads nothing for so long while answers wait is closed.
    package var unreadTimeoutMillis: Int64 = 60_000
    /// How long a closing connection may take to read why.
    package var lingerMillis: Int64 = 2_000

    /// For HelloAnswer and Status.
    package var serverName = "weir"

    /// `cores`: processors of the machine; a loop for each but one, at most 4.
    package init(storage: StorageConfiguration, cores: Int) {
        self.storage = storage
        self.loops = min(4, max(1, cores - 1))
    }
}

extension NodeConfiguration {
    /// What of it bounds the engine.
    var engineLimits: EngineLimits {
        EngineLimits(
            readMemoryBytesMax: self.readMemoryBytesMax, heldMemoryBytesMax: self.heldMemoryBytesMax,
            waitersMax: self.waitersMax, readsPerCallerMax: self.waitingRequestsMax,
            subscriptionsPerCallerMax: self.subscriptionsMax)
    }
}

/// The configuration is not allowed, or the node cannot start or listen. The sentence is one for the operator.
package struct NodeError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

extension NodeConfiguration {
    /// Refuses what is not allowed, naming the value and what is.
    package func validate() throws(NodeError) {
        guard !self.host.isEmpty, self.host.utf8.count <= 255 else {
            throw NodeError("the host to listen on is empty or longer than 255 bytes")
        }
        guard self.insecure || ListenAddress.isLoopback(self.host) else {
            throw NodeError(
                "listening on \(self.host) would let everybody on the network read and write: nothing authenticates "
                    + "clients yet. Listen on 127.0.0.1, or add --insecure")
        }
        try Self.check("the port", self.port, 0...65_535)
        try Self.check("the number of event loops", self.loops, 1...64)
        try Self.check("the number of connections", self.connectionsMax, 1...65_536)
        try Self.check("the put credit in bytes", self.putCreditBytes, 1...(1 << 30))
        try Self.check("the put credit in requests", self.putCreditRequests, 1...65_536)
        try Self.check("the size of a frame", self.frameBytesMax, Limits.helloFrameBytesMax...Limits.frameBytesMax)
        try self.checkSegments()
        try Self.check("the size of a read", self.receiveBytes, 4096...(4 << 20))
        try Self.check("the memory for frames", self.frameMemoryBytesMax, self.frameBytesMax...(1 << 40))
        try Self.check("the memory for reads", self.readMemoryBytesMax, 32 << 20...(1 << 40))
        try Self.check("the memory for what waits", self.heldMemoryBytesMax, 1 << 20...(1 << 40))
        try Self.check("the answers that may wait", self.answerBytesMax, 1 << 16...(1 << 30))
        try Self.check("the requests that may wait", self.waitingRequestsMax, 1...65_536)
        try Self.check("the subscriptions of a connection", self.subscriptionsMax, 1...65_536)
        try Self.check("the subscriptions and long polls", self.waitersMax, 1...(1 << 24))
        for (name, millis) in [
            ("the time for Hello", self.helloTimeoutMillis), ("the time for a frame", self.stallTimeoutMillis),
            ("the time for reading answers", self.unreadTimeoutMillis), ("the time for closing", self.lingerMillis),
        ] {
            try Self.check(name + " in ms", Int(millis), 1...3_600_000)
        }
    }

    /// Segments are made and given back as a whole: a log of fewer than four of them could neither go on nor give back.
    private func checkSegments() throws(NodeError) {
        let (least, most) = (self.storage.segmentBytesMin, self.storage.segmentBytesMax)
        guard least <= most else {
            throw NodeError("segment-min is \(least) bytes, which is more than segment-max with \(most)")
        }
        guard let log = self.storage.logBytesMax else { return }
        guard Int64(least) <= log / 4 else {
            throw NodeError(
                "segment-min is \(least) bytes, and log-max-bytes with \(log) must hold four of such segments")
        }
    }

    private static func check(_ name: String, _ value: Int, _ allowed: ClosedRange<Int>) throws(NodeError) {
        guard allowed.contains(value) else {
            throw NodeError(
                "\(name) is \(value), which is not allowed: \(allowed.lowerBound) to \(allowed.upperBound)")
        }
    }
}

package enum ListenAddress {
    /// `::1` of `[::1]`, as an address of version 6 is written in front of a port.
    static func withoutBrackets(_ host: String) -> String {
        host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    }

    /// The addresses to listen on. `localhost` is the machine's own in both families: who comes by that name finds the
    /// server, whichever is tried first.
    static func all(_ host: String) -> [String] {
        Self.isLocalhost(host) ? ["127.0.0.1", "::1"] : [Self.withoutBrackets(host)]
    }

    private static func isLocalhost(_ host: String) -> Bool {
        let name = host.lowercased()
        return name == "localhost" || name == "localhost."
    }

    /// Whether only this machine can reach the address, however it is written. A name other than `localhost` is not
    /// trusted to be one.
    package static func isLoopback(_ host: String) -> Bool {
        if Self.isLocalhost(host) { return true }
        let host = Self.withoutBrackets(host)
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return withUnsafeBytes(of: four) { $0[0] } == 127 }
        var six = in6_addr()
        guard inet_pton(AF_INET6, host, &six) == 1 else { return false }
        return withUnsafeBytes(of: six) { bytes in
            let mapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
            return mapped ? bytes[12] == 127 : bytes[..<15].allSatisfy { $0 == 0 } && bytes[15] == 1
        }
    }
}
