// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// Registered consumers: names with a read budget of their own.
extension WeirClient {
    /// Throws `resourceInUse` when there is one of that name, and `limitExceeded` when the stream has 20.
    @discardableResult
    public func registerConsumer(
        _ stream: StreamID, _ name: ConsumerName, timeout: Duration? = nil
    ) async throws -> ConsumerDescription {
        let request = RegisterConsumer(stream: stream, consumer: SentName(name))
        let answer = try await self.call(request, timeout: timeout, isRepeatable: false)
        return ConsumerDescription(name: name, createdAtMillis: answer.createdAtMillis)
    }

    /// Throws `consumerNotFound`.
    public func deregisterConsumer(_ stream: StreamID, _ name: ConsumerName, timeout: Duration? = nil) async throws {
        let request = DeregisterConsumer(stream: stream, consumer: SentName(name))
        _ = try await self.call(request, timeout: timeout, isRepeatable: false)
    }

    /// In the order of their names.
    public func consumers(_ stream: StreamID, timeout: Duration? = nil) async throws -> [ConsumerDescription] {
        try await self.call(ListConsumers(stream: stream), timeout: timeout, isRepeatable: true).consumers
    }
}
