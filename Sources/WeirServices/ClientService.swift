// SPDX-License-Identifier: Apache-2.0
import ServiceLifecycle
import WeirClient

/// A client as a service of a `ServiceGroup`: at a graceful shutdown its producers store what they hold, for at most
/// `ClientConfiguration.callTimeout`, and it is closed. A group ends its services last to first, so the client stands
/// before those that use it.
public struct ClientService: Service {
    private let client: WeirClient

    public init(_ client: WeirClient) { self.client = client }

    public func run() async throws {
        let client = self.client
        await cancelWhenGracefulShutdown { await client.run() }
    }
}
