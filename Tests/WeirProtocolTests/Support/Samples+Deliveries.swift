// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension Samples {
    static let configuration = #"{"to":"access"}"#

    static let delivery: DeliveryStream = {
        guard let stream = try? StreamName("orders"), let application = try? ApplicationName("deliver") else {
            preconditionFailure("not a name")
        }
        return DeliveryStream(
            stream: Self.stream, streamName: stream, application: application, configuration: Self.configuration,
            status: #"{"state":"running"}"#)
    }()

    static var deliveries: [Sample] {
        [
            Sample(
                "set-delivery",
                SetDelivery(stream: Self.stream, application: "deliver", change: .create(Self.configuration)),
                correlation: 45),
            Sample(
                "set-delivery-delete", SetDelivery(stream: Self.stream, application: "deliver", change: .delete),
                correlation: 46),
            Sample("list-deliveries", ListDeliveries(.stream(Self.stream)), correlation: 47),
            Sample("list-all-deliveries", ListDeliveries(.all(after: "orders")), correlation: 48),
            Sample(
                "list-deliveries-answer", ListDeliveriesAnswer(after: nil, deliveries: [Self.delivery]),
                .listDeliveriesAnswer, correlation: 47),
        ]
    }
}
