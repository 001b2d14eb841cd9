// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

/// What streams, consumers and applications carry for other parts of the node.
@Suite struct AttributesTests {
    private func set(_ namespace: String, _ key: String, _ value: String?) throws -> AttributeChange {
        try Sample.change(namespace, key, value)
    }

    private func name(_ namespace: String, _ key: String) throws -> AttributeName {
        try AttributeName(namespace: namespace, key: key)
    }

    @Test func `They are set, replaced and removed, each namespace by itself`() throws {
        var node = TestNode()
        let id = try node.create()
        try node.run(
            .setAttributes(id, [set("tags", "owner", "a"), set("policy", "owner", "b"), set("tags", "team", "c")]))
        #expect(try node.state(id).attributes.sorted(in: "tags").map(\.value) == ["a", "c"])
        try node.run(.setAttributes(id, [set("tags", "owner", "longer"), set("tags", "team", "")]))
        let attributes = try node.state(id).attributes
        #expect(attributes.sorted().map(\.name.description) == ["policy/owner", "tags/owner"])
        #expect(try attributes[name("tags", "owner")] == "longer" && attributes[name("tags", "team")] == nil)
        // What is so already is no event.
        #expect(try node.run(.setAttributes(id, [set("tags", "owner", "longer"), set("tags", "no", nil)])).isEmpty)
        #expect(try node.run(.setAttributes(id, [])).isEmpty)
        try node.catalog.checkInvariants()
        #expect(try node.replayed().encodeSnapshot() == node.catalog.encodeSnapshot())
        #expect(try Catalog(bytes: node.catalog.encodeSnapshot()).encodeSnapshot() == node.catalog.encodeSnapshot())
        try node.run(.deleteStream(id))
        #expect(node.catalog.attributeBytes == 0)
    }

    /// Swift takes the two for the same text.
    @Test func `Names and values that differ in bytes only are different ones`() throws {
        let (composed, combined) = ("\u{E9}", "e\u{301}")
        try #require(composed == combined)
        var node = TestNode()
        let id = try node.create()
        try node.run(.setAttributes(id, [set("tags", composed, "a"), set("tags", combined, "b")]))
        let attributes = try node.state(id).attributes
        #expect(try attributes[name("tags", composed)] == "a" && attributes[name("tags", combined)] == "b")
        #expect(attributes.sorted().map(\.name.bytes) == [4 + 3, 4 + 2], "by bytes: 65 CC 81 before C3 A9")
        #expect(node.catalog.attributeBytes == 4 + 3 + 1 + 4 + 2 + 1)
        // The same text of other bytes is a change.
        try node.run(.setAttributes(id, [set("tags", composed, composed)]))
        #expect(try node.run(.setAttributes(id, [set("tags", composed, combined)])).count == 1)
        let value = try #require(try node.state(id).attributes[name("tags", composed)])
        #expect(value.utf8.elementsEqual(combined.utf8))
        try node.run(.setAttributes(id, [set("tags", composed, nil), set("tags", combined, nil)]))
        #expect(node.catalog.attributeBytes == 0)
        #expect(try node.replayed().encodeSnapshot() == node.catalog.encodeSnapshot())
    }

    @Test(arguments: [0, 1, 512, 513], [0, 1, 32, 33]) func `Names have bounds`(key: Int, namespace: Int) throws {
        let outcome = Result { () throws(WeirError) in
            try AttributeName(
                namespace: String(repeating: "n", count: namespace), key: String(repeating: "k", count: key))
        }
        let isAllowed = (1...512).contains(key) && (1...32).contains(namespace)
        if isAllowed { #expect(try outcome.get().bytes == key + namespace) }
        if !isAllowed { #expect(throws: WeirError.self) { try outcome.get() } }
    }

    @Test(arguments: ["A", "a b", "ä", "a/b", "a_b"]) func `A namespace is of few characters`(text: String) {
        let refused = error { try AttributeName(namespace: text, key: "k") }
        #expect(refused?.code == .invalidArgument && refused?.message.contains("a-z, 0-9") == true)
    }

    @Test(arguments: [20_479, 20_480, 20_481]) func `A value has a bound`(bytes: Int) throws {
        let name = try name("tags", "k")
        let value = String(repeating: "v", count: bytes)
        guard bytes > 20_480 else {
            #expect(try AttributeChange(name, value).value == value)
            return
        }
        let refused = error { try AttributeChange(name, value) }
        #expect(refused?.code == .invalidArgument && refused?.message.contains("20480") == true)
    }

    /// How many, how many bytes of one owner, how many of a node: one below, at, and one above.
    @Test func `Counts and bytes have bounds, with errors that name them`() throws {
        var node = TestNode()
        let id = try node.create()
        let many = try (0..<Limits.attributesMax).map { try set("tags", "\($0)", "v") }
        #expect(error { try node.run(.setAttributes(id, many + [set("tags", "more", "v")])) }?.code == .invalidArgument)
        try node.run(.setAttributes(id, many))
        let tooMany = error { try node.run(.setAttributes(id, [set("tags", "more", "v")])) }
        #expect(tooMany?.code == .limitExceeded && tooMany?.message.contains("256 are allowed") == true)
        // One for another is allowed.
        try node.run(.setAttributes(id, [set("tags", "more", "v"), set("tags", "0", nil)]))
        #expect(error { try node.run(.setAttributes(id, [many[1], many[1]])) }?.code == .invalidArgument)

        let other = try node.create("bytes")
        func fill(_ left: Int) throws -> [AttributeChange] {
            var rest = Limits.attributeBytesMax - left
            var changes: [AttributeChange] = []
            while rest > 0 {
                let bytes = min(rest, 20_000)
                changes.append(try set("n", "\(changes.count)", String(repeating: "v", count: max(1, bytes - 2))))
                rest -= max(3, bytes)
            }
            return changes
        }
        for left in [-1, 0, 1] {
            let outcome = Result { try node.run(.setAttributes(other, fill(left))) }
            guard left < 0 else {
                #expect(throws: Never.self) { try outcome.get() }
                continue
            }
            let refused = error { try outcome.get() }
            #expect(refused?.code == .limitExceeded && refused?.message.contains("65536 are allowed") == true)
        }
        // The node's own.
        var last: WeirError?
        for number in 0..<Limits.attributeBytesOfNodeMax / Limits.attributeBytesMax + 1 {
            let stream = try node.create("s\(number)")
            do { try node.run(.setAttributes(stream, fill(0))) } catch let error as WeirError { last = error }
        }
        #expect(last?.code == .limitExceeded && last?.message.contains("8388608") == true)
        #expect(node.catalog.attributeBytes <= Limits.attributeBytesOfNodeMax)
        #expect(error { try node.run(.setAttributes(StreamID(999), [many[0]])) }?.code == .streamNotFound)
    }

    @Test func `Applications and consumers have them too, and take them along`() throws {
        var node = try LeaseNode()
        let (app, consumer) = (node.application.name, try ConsumerName("fast"))
        func run(_ owner: AttributesChanged.Owner, _ changes: AttributeChange...) throws {
            try node.run(.setAttributes(node.stream, owner, changes))
        }
        #expect(error { try run(.application(app), set("a", "k", "v")) }?.code == .applicationNotFound)
        #expect(error { try run(.consumer(consumer), set("a", "k", "v")) }?.code == .consumerNotFound)
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.registerConsumer(node.stream, consumer))
        try run(.application(app), set("a", "k", "v"), set("b", "k", "v"))
        try run(.consumer(consumer), set("a", "k", "value"))
        #expect(node.table.attributeBytes == 3 + 3 + 7)
        let bytes = node.table.encodeSnapshot()
        let read = try bytes.withUnsafeBytes { try LeaseTable(snapshot: $0) }
        #expect(read.encodeSnapshot() == bytes && read.attributeBytes == 13)
        #expect(try read.attributes(of: .consumer(consumer), node.stream)?[name("a", "k")] == "value")
        let tooMany = try (0..<255).map { try set("a", "\($0)", "v") }
        #expect(
            error { try node.run(.setAttributes(node.stream, .application(app), tooMany)) }?.message
                .contains("application 'billing' of stream 'orders' would have 257") == true)
        try node.run(.deregisterConsumer(node.stream, consumer))
        #expect(node.table.attributeBytes == 6)
        try node.run(.deleteApplication(node.application, force: true))
        #expect(node.table.attributeBytes == 0)
        // A new one of the name begins with none.
        try node.run(.createApplication(node.application, from: .trimHorizon))
        #expect(node.table.attributes(of: .application(app), node.stream)?.isEmpty == true)
    }

    @Test func `With the stream go those of all that belongs to it`() throws {
        var node = try LeaseNode()
        try node.run(.createApplication(node.application, from: .trimHorizon))
        try node.run(.registerConsumer(node.stream, try ConsumerName("fast")))
        try node.run(.setAttributes(node.stream, .application(node.application.name), [set("a", "k", "v")]))
        try node.run(.setAttributes(node.stream, .consumer(try ConsumerName("fast")), [set("a", "k", "v")]))
        try node.run(CatalogCommand.deleteStream(node.stream))
        #expect(node.table.attributeBytes == 0)
    }

    @Test func `An event for the other machine, or for nobody, is refused and changes nothing`() throws {
        var node = try LeaseNode()
        let change = [try set("a", "k", "v")]
        let stray = AttributesChanged(
            stream: node.stream, atMillis: TestNode.start, owner: .application(node.application.name), changes: change)
        #expect(throws: CatalogMismatch.self) { try node.node.catalog.apply(.attributesChanged(stray)) }
        #expect(throws: CatalogMismatch.self) { try node.table.apply(.attributesChanged(stray)) }
        #expect(throws: CatalogDecodeError.self) {
            try CatalogEvent.attributesChanged(stray).encode().withUnsafeBytes {
                try CatalogEvent(kind: 10, payload: $0)
            }
        }
        let stream = AttributesChanged(
            stream: node.stream, atMillis: TestNode.start, owner: .stream, changes: change)
        #expect(throws: CatalogDecodeError.self) {
            try LeaseEvent.attributesChanged(stream).encode().withUnsafeBytes { try LeaseEvent(kind: 39, payload: $0) }
        }
    }
}
