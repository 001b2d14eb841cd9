// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// The deliveries that the node runs by itself: attributes of their streams, so they are as durable as those.
extension Lane {
    package static let deliveryNamespace = "delivery"
    /// Streams that one call looks at, and rows after which it looks at no further one.
    private static let streamsAtOnce = 1000
    private static let rowsAtOnce = 64

    package enum DeliveryChange: Sendable {
        case create(String)
        case update(String)
        case delete

        var configuration: String? {
            switch self {
            case .create(let text), .update(let text): text
            case .delete: nil
            }
        }
    }

    /// Whoever runs deliveries hears of it at once, and looks when it is durable.
    package func setDelivery(
        _ application: ApplicationName, of id: StreamID, _ change: DeliveryChange
    ) -> Told<Void> {
        let desk = self.engine.deliveries
        return self.ask { log, now throws(WeirError) in
            let stream = try Self.existing(id, log)
            let key = DeliveryDesk.Key(stream: id, application: application)
            let name = try AttributeName(namespace: Self.deliveryNamespace, key: application.description)
            if let text = change.configuration { try desk.check(text, stream.name) }
            switch (change, stream.attributes[name]) {
            case (.create, _?):
                throw WeirError(
                    .resourceInUse, "stream '\(stream.name)' has a delivery '\(application)' already",
                    verdict: WeirError.Verdict(maybeStored: false, retry: .never))
            case (.update, nil), (.delete, nil):
                throw WeirError(.deliveryNotFound, "stream '\(stream.name)' has no delivery '\(application)'")
            case (.create, nil):
                guard stream.attributes.count(in: Self.deliveryNamespace) < Limits.deliveriesPerStream else {
                    throw WeirError(
                        .limitExceeded, "a stream has at most \(Limits.deliveriesPerStream) deliveries in a server")
                }
                try desk.checkRoom(for: key)
            case (.update, _?), (.delete, _?): break
            }
            let mark = try log.setAttributes(
                .stream, of: id, [AttributeChange(name, change.configuration)], nowMillis: now)
            desk.changed(key, isThere: change.configuration != nil)
            return ((), mark)
        }
    }

    /// Those of one stream.
    package func deliveries(of id: StreamID) -> Told<[DeliveryStream]> {
        self.ask { log, _ throws(WeirError) in
            (self.deliveries(of: try Self.existing(id, log)), log.catalogMark)
        }
    }

    /// Those of the streams behind `after`, which need not exist, and the stream behind which there may be more.
    package func deliveries(
        after: StreamName?
    ) -> Told<(deliveries: [DeliveryStream], after: StreamName?)> {
        self.ask { log, _ throws(WeirError) in
            var found: [DeliveryStream] = []
            let streams = log.catalog.streams(after: after, limit: Self.streamsAtOnce)
            for stream in streams {
                found += self.deliveries(of: stream)
                if found.count >= Self.rowsAtOnce { return ((found, stream.name), log.catalogMark) }
            }
            return ((found, streams.count == Self.streamsAtOnce ? streams.last?.name : nil), log.catalogMark)
        }
    }

    private func deliveries(of stream: StreamState) -> [DeliveryStream] {
        stream.attributes.sorted(in: Self.deliveryNamespace).compactMap { name, text in
            guard let application = try? ApplicationName(name.key) else { return nil }
            return DeliveryStream(
                stream: stream.id, streamName: stream.name, application: application, configuration: text,
                status: self.engine.deliveries.status(
                    DeliveryDesk.Key(stream: stream.id, application: application)))
        }
    }
}
