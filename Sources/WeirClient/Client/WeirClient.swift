// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A client of one node: admin calls, producers and readers over a bounded set of connections.
///
/// Calls throw `WeirError`, or `CancellationError` when their task is cancelled. Each has a time limit, by default
/// `ClientConfiguration.callTimeout`; over it a call throws `timedOut`.
public final class WeirClient: Sendable {
    public let configuration: ClientConfiguration

    /// Does not connect yet. Throws `invalidArgument` for a configuration outside its ranges.
    public init(_ configuration: ClientConfiguration) throws(WeirError) {
        try configuration.validate()
        self.configuration = configuration
    }

    /// Connects and says hello.
    public static func connect(_ configuration: ClientConfiguration = ClientConfiguration()) async throws -> WeirClient
    {
        preconditionFailure("signature")
    }

    public static func connect(host: String, port: Int) async throws -> WeirClient {
        try await Self.connect(ClientConfiguration(host: host, port: port))
    }

    /// Closes all connections. Producers should be finished before: what they still hold fails with `unavailable`.
    public func close() async {
        preconditionFailure("signature")
    }
}
