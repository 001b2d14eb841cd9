// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirProtocol
import WeirStorage

/// The deliveries that the node runs by itself: from messages to calls of the engine and back.
extension Connection {
    /// False for every other type.
    func serveDeliveries(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Bool {
        switch type {
        case .setDelivery: self.ask(correlation, payload, self.setDelivery)
        case .listDeliveries: self.ask(correlation, payload, self.deliveries)
        default: return false
        }
        return true
    }

    private func setDelivery(_ request: SetDelivery) throws(WeirError) -> Told<Empty> {
        let change: Lane.DeliveryChange =
            switch request.change {
            case .create(let text): .create(text)
            case .update(let text): .update(text)
            case .delete: .delete
            }
        return self.lane.setDelivery(try request.application.get(), of: request.stream, change)
            .map { Empty() }
    }

    private func deliveries(_ request: ListDeliveries) throws(WeirError) -> Told<ListDeliveriesAnswer> {
        switch request.scope {
        case .stream(let stream):
            return self.lane.deliveries(of: stream).map { ListDeliveriesAnswer(after: nil, deliveries: $0) }
        case .all(let name):
            var after: StreamName?
            if let name { after = try name.get() }
            return self.lane.deliveries(after: after)
                .map { ListDeliveriesAnswer(after: $0.after?.description, deliveries: $0.deliveries) }
        }
    }
}
