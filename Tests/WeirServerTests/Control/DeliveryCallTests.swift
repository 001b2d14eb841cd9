// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirEngine
import WeirModel
import WeirProtocol

@testable import WeirServer

/// What is asked for of a server's deliveries; whoever runs them is a stand-in that takes any text with "to" in it.
@Suite struct DeliveryCallTests {
    private func stream(_ client: RawClient, _ name: String) throws -> StreamID {
        let create = CreateStream(name: SentName(name), shards: 1, settings: StreamSettings())
        return try client.call(create, StreamAnswer.self).stream.id
    }

    private func open(_ node: Node) {
        node.deliveries.open(
            DeliveryDesk.Runner(
                check: { text, _ throws(WeirError) in
                    guard text.contains("to") else { throw WeirError(.invalidArgument, "'to' is missing") }
                }, changed: {}))
    }

    private func set(_ stream: StreamID, _ name: String, _ change: SetDelivery.Change) -> SetDelivery {
        SetDelivery(stream: stream, application: SentName(name), change: change)
    }

    @Test func `A server that writes no files says so, and that it is of no use to ask again`() async throws {
        try await TestNode.run { node in
            let client = try node.connect()
            let stream = try self.stream(client, "s")
            let error = try client.refusal(self.set(stream, "d", .create("to")))
            #expect(error.code == .unavailable && error.verdict.retry == .never)
            #expect(error.message.contains("--deliver-to"))
            #expect(try client.call(ListDeliveries(.stream(stream)), ListDeliveriesAnswer.self).deliveries == [])
        }
    }

    @Test func `A delivery is made once, changed, listed and deleted`() async throws {
        try await TestNode.run { node in
            self.open(node.node)
            let client = try node.connect()
            let stream = try self.stream(client, "s")
            func listed() throws -> [String] {
                try client.call(ListDeliveries(.stream(stream)), ListDeliveriesAnswer.self).deliveries
                    .map { "\($0.streamName) \($0.application) \($0.configuration)" }
            }
            #expect(try client.refusal(self.set(stream, "d", .update("to"))).code == .deliveryNotFound)
            #expect(try client.refusal(self.set(stream, "d", .delete)).code == .deliveryNotFound)
            #expect(try client.refusal(self.set(stream, "d", .create("wrong"))).code == .invalidArgument)
            _ = try client.call(self.set(stream, "d", .create("to 1")), Empty.self)
            let twice = try client.refusal(self.set(stream, "d", .create("to 2")))
            #expect(twice.code == .resourceInUse && twice.verdict.retry == .never)
            #expect(try listed() == ["s d to 1"])
            _ = try client.call(self.set(stream, "d", .update("to 3")), Empty.self)
            _ = try client.call(self.set(stream, "c", .create("to 4")), Empty.self)
            #expect(try listed() == ["s c to 4", "s d to 3"])
            _ = try client.call(self.set(stream, "d", .delete), Empty.self)
            #expect(try listed() == ["s c to 4"])
            let gone = self.set(StreamID(99), "d", .create("to"))
            #expect(try client.refusal(gone).code == .streamNotFound)
        }
    }

    @Test func `A stream has at most 16 deliveries and a server 64`() async throws {
        try await TestNode.run { node in
            self.open(node.node)
            let client = try node.connect()
            for number in 0..<4 {
                let stream = try self.stream(client, "s\(number)")
                for delivery in 0..<16 {
                    _ = try client.call(self.set(stream, "d\(delivery)", .create("to")), Empty.self)
                }
                #expect(try client.refusal(self.set(stream, "more", .create("to"))).message.contains("at most 16"))
            }
            let fifth = try self.stream(client, "s4")
            let full = try client.refusal(self.set(fifth, "d", .create("to")))
            #expect(full.code == .limitExceeded && full.message.contains("at most 64"))
            var after: String?
            var names: [String] = []
            repeat {
                let page = try client.call(
                    ListDeliveries(.all(after: after.map { SentName($0) })), ListDeliveriesAnswer.self)
                names += page.deliveries.map { "\($0.streamName)/\($0.application)" }
                after = page.after
            } while after != nil
            #expect(names.count == 64 && Set(names).count == 64 && names.first == "s0/d0")
            // What is changed needs no room, and what is deleted makes some.
            let first = try client.call(DescribeStream(stream: .name("s0")), StreamAnswer.self).stream.id
            _ = try client.call(self.set(first, "d0", .update("to 2")), Empty.self)
            _ = try client.call(self.set(first, "d0", .delete), Empty.self)
            _ = try client.call(self.set(fifth, "d", .create("to")), Empty.self)
        }
    }

    @Test(arguments: [1, 3072, 3073])
    func `A configuration has 2 to 3,072 bytes`(_ bytes: Int) async throws {
        try await TestNode.run { node in
            self.open(node.node)
            let client = try node.connect()
            let stream = try self.stream(client, "s")
            let text = "to" + String(repeating: "x", count: max(0, bytes - 2))
            let request = self.set(stream, "d", .create(bytes == 1 ? "t" : text))
            if bytes == 3072 {
                _ = try client.call(request, Empty.self)
            } else {
                #expect(try client.refusal(request).message.contains("2 to 3072"))
            }
        }
    }

    @Test func `How a delivery goes stands in the list, until it is not asked for any more`() async throws {
        try await TestNode.run { node in
            self.open(node.node)
            let client = try node.connect()
            let stream = try self.stream(client, "s")
            let key = DeliveryDesk.Key(stream: stream, application: try ApplicationName("d"))
            func status() throws -> [String] {
                try client.call(ListDeliveries(.stream(stream)), ListDeliveriesAnswer.self).deliveries.map(\.status)
            }
            node.node.deliveries.show(key, "early")
            _ = try client.call(self.set(stream, "d", .create("to")), Empty.self)
            #expect(try status() == [""])
            node.node.deliveries.show(key, String(repeating: "x", count: Limits.deliveryStatusBytesMax))
            #expect(try status().map(\.count) == [Limits.deliveryStatusBytesMax])
            node.node.deliveries.found([])
            #expect(try status() == [""])
        }
    }
}
