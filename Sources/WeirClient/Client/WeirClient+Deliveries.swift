// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// Deliveries that the server runs by itself.
extension WeirClient {
    /// `configuration`: as `DeliveryConfiguration` writes it. Throws `resourceInUse` when there is one of that name,
    /// `limitExceeded` when the stream has 16 or the server 64, `invalidArgument` with what is wrong in it, and
    /// `unavailable` when the server writes no files.
    package func createDelivery(
        _ stream: StreamID, _ application: ApplicationName, _ configuration: String
    ) async throws {
        try await self.set(stream, application, .create(configuration), isRepeatable: false)
    }

    /// Throws `deliveryNotFound`, and what `createDelivery` throws.
    package func updateDelivery(
        _ stream: StreamID, _ application: ApplicationName, _ configuration: String
    ) async throws {
        try await self.set(stream, application, .update(configuration), isRepeatable: true)
    }

    /// What it has done stays, also how far it has come: one of the same name goes on there. Throws `deliveryNotFound`.
    package func deleteDelivery(_ stream: StreamID, _ application: ApplicationName) async throws {
        try await self.set(stream, application, .delete, isRepeatable: false)
    }

    private func set(
        _ stream: StreamID, _ application: ApplicationName, _ change: SetDelivery.Change, isRepeatable: Bool
    ) async throws {
        let request = SetDelivery(stream: stream, application: SentName(application), change: change)
        _ = try await self.call(request, timeout: nil, isRepeatable: isRepeatable)
    }

    /// Of one stream, in the order of their names.
    package func deliveries(of stream: StreamID) async throws -> [DeliveryStream] {
        try await self.call(ListDeliveries(.stream(stream)), timeout: nil, isRepeatable: true).deliveries
    }

    /// Of all streams, in the order of their names.
    package func deliveries() async throws -> [DeliveryStream] {
        var found: [DeliveryStream] = []
        var after: String?
        repeat {
            let answer = try await self.call(
                ListDeliveries(.all(after: after.map { SentName($0) })), timeout: nil, isRepeatable: true)
            found += answer.deliveries
            after = answer.after
        } while after != nil
        return found
    }
}
