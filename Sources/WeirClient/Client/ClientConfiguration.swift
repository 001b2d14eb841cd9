// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirModel

/// Where a client connects and how patient it is.
public struct ClientConfiguration: Sendable {
    public var host: String
    public var port: Int
    /// Connections to the node at one time, 1 to 1,024: one for admin calls, up to `readerConnections` for readers, and
    /// one for each producer. A producer too many is refused with `limitExceeded`.
    public var connectionsMax: Int
    /// Connections over which subscriptions are spread, 1 to 64.
    public var readerConnections: Int
    /// How long a call may take, waiting for a connection and retrying included.
    public var callTimeout: Duration
    /// How long one attempt to connect, with Hello, may take.
    public var connectTimeout: Duration
    /// A connection on which nothing was heard for so long is asked with a ping, and closed when nothing is heard for
    /// as long again.
    public var pingInterval: Duration
    /// The pauses between attempts to connect, and between calls that the server asks to repeat.
    public var retry: RetryPolicy
    /// Threads for the network, 1 to 64. One is enough for several hundred MB/s.
    public var threads: Int
    /// For the server's log and status, at most 128 bytes.
    public var name: String
    public var logger: Logger?
    /// Hears when the server cannot be connected to any more, and when it can be again: once each, however often it is
    /// tried. On a thread of the client, which it must not block. That the first attempt fails is thrown, not told.
    public var onConnection: (@Sendable (ConnectionNotice) -> Void)?

    public init(
        host: String = "127.0.0.1", port: Int = 7411, connectionsMax: Int = 64, readerConnections: Int = 4,
        callTimeout: Duration = .seconds(10), connectTimeout: Duration = .seconds(5),
        pingInterval: Duration = .seconds(5), retry: RetryPolicy = RetryPolicy(), threads: Int = 1,
        name: String = "weir-client", logger: Logger? = nil,
        onConnection: (@Sendable (ConnectionNotice) -> Void)? = nil
    ) {
        self.host = host
        self.port = port
        self.connectionsMax = connectionsMax
        self.readerConnections = readerConnections
        self.callTimeout = callTimeout
        self.connectTimeout = connectTimeout
        self.pingInterval = pingInterval
        self.retry = retry
        self.threads = threads
        self.name = name
        self.logger = logger
        self.onConnection = onConnection
    }

    /// Refuses what is outside the ranges above with `invalidArgument`.
    public func validate() throws(WeirError) {
        try Self.check(self.port, 1...65_535, "port")
        try Self.check(self.connectionsMax, 1...1024, "number of connections")
        try Self.check(self.readerConnections, 1...64, "number of reader connections")
        try Self.check(self.threads, 1...64, "number of threads")
        for (duration, name) in [
            (self.callTimeout, "call timeout"), (self.connectTimeout, "connect timeout"),
            (self.pingInterval, "ping interval"),
        ] where duration < .milliseconds(1) {
            throw WeirError(.invalidArgument, "a \(name) of \(duration) is not allowed: at least 1 ms")
        }
        try self.retry.validate()
    }

    static func check(_ value: Int, _ allowed: ClosedRange<Int>, _ name: String) throws(WeirError) {
        guard allowed.contains(value) else {
            throw WeirError(
                .invalidArgument,
                "a \(name) of \(value) is not allowed: \(allowed.lowerBound) to \(allowed.upperBound)")
        }
    }
}
