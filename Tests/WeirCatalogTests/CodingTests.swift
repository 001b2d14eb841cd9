// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@Suite("Forms on disk")
struct CodingTests {
    @Test("Every event has the bytes that are stored, and is read back from them")
    func events() throws {
        let samples = try Sample.events()
        #expect(samples.count == Golden.events.count)
        for (event, golden) in zip(samples, Golden.events) {
            #expect(event.kind == golden.kind)
            #expect(event.encode() == golden.hex.hexBytes)
            #expect(try Self.decode(golden.kind, golden.hex.hexBytes) == event)
        }
    }

    @Test("A snapshot has the bytes that are stored, and is read back from them")
    func snapshot() throws {
        #expect(try Sample.catalog().encodeSnapshot() == Golden.snapshot.hexBytes)
        let catalog = try Catalog(bytes: Golden.snapshot.hexBytes)
        #expect(catalog.encodeSnapshot() == Golden.snapshot.hexBytes)
        #expect(catalog.version == 8)
        let name = try AttributeName(namespace: "tags", key: "owner")
        #expect(catalog.stream(StreamID(2))?.attributes[name] == "blogs" && catalog.attributeBytes == 14)
        #expect(catalog.wasDeleted(StreamID(1)))
        #expect(catalog.openShardCount == 1)
        #expect(catalog.listedShardCount == 4)
        #expect(catalog.stream(StreamID(2))?.map.shards.map(\.number) == [s(3)])
        #expect(catalog.stream(named: try StreamName("a.b"))?.horizonMillis == Sample.at - 1)
        #expect(catalog.stream(StreamID(2))?.cappedPosition == 0x0304)
    }

    @Test("Events of format 1 are read: rates that a profile had then are that profile, whatever it means by now")
    func oldEvents() throws {
        let events = try Golden.oldEvents.map { try Self.decode($0.kind, $0.hex.hexBytes) }
        let samples = try Sample.events()
        #expect(events == [samples[0], samples[1], samples[2]])
        #expect(events.map(\.kind) == [8, 9, 9], "they are written as kinds of today")
    }

    @Test("A snapshot of the second format is read, and written as one of today")
    func secondSnapshot() throws {
        let catalog = try Catalog(bytes: Golden.secondSnapshot.hexBytes)
        #expect(catalog.version == 7 && catalog.attributeBytes == 0)
        #expect(catalog.stream(StreamID(2))?.settings.profile == .open)
        #expect(catalog.stream(StreamID(2))?.cappedPosition == 0x0304)
        #expect(try Catalog(bytes: catalog.encodeSnapshot()).encodeSnapshot() == catalog.encodeSnapshot())
    }

    @Test("A snapshot of the first format is read, and nothing that is made later numbers below what it holds")
    func firstSnapshot() throws {
        var catalog = try Catalog(bytes: Golden.firstSnapshot.hexBytes)
        #expect(catalog.version == 6 && catalog.wasDeleted(StreamID(1)))
        #expect(catalog.stream(StreamID(2))?.cappedPosition == 0)
        let events = try catalog.plan(
            .createStream(name: try StreamName("gone"), shards: 1, settings: StreamSettings()), nowMillis: Sample.at,
            nextIndex: { _ in 0 })
        for event in events { try catalog.apply(event) }
        let second = catalog.stream(named: try StreamName("gone"))?.shards.first?.creationSecond
        #expect(second == UInt64(Sample.at / 1000) + 1, "what was deleted may have been made in this second")
        #expect(try Catalog(bytes: catalog.encodeSnapshot()).encodeSnapshot() == catalog.encodeSnapshot())
    }

    @Test("An empty catalog survives its snapshot")
    func emptySnapshot() throws {
        let bytes = Catalog().encodeSnapshot()
        #expect(try Catalog(bytes: bytes).encodeSnapshot() == bytes)
    }

    @Test("What was accepted is read and replayed under lower bounds; they bind new commands only")
    func lowerBounds() throws {
        var node = TestNode()
        let id = try node.create(shards: 8)
        let bounds = Catalog.Bounds(streamsMax: 0, openShardsMax: 2, listedShardsMax: 2)
        var catalog = try node.catalog.encodeSnapshot().withUnsafeBytes { try Catalog(snapshot: $0, bounds: bounds) }
        #expect(catalog.bounds == bounds)
        for event in try node.run(.splitShard(id, s(0), at: nil)) { try catalog.apply(event) }
        #expect(catalog.openShardCount == 9)
    }

    @Test("A kind or format of a newer version is an error of its own")
    func unknown() throws {
        for kind in [0, 11, 255, .max] as [UInt16] {
            #expect(throws: CatalogDecodeError.unknownKind(kind)) { try Self.decode(kind, []) }
        }
        #expect(throws: CatalogDecodeError.unknownFormat(4)) { try Catalog(bytes: [4, 0]) }
    }

    @Test("An event that is cut short or too long is malformed")
    func wrongLength() throws {
        for event in try Sample.events() {
            let bytes = event.encode()
            for length in 0..<bytes.count { Self.expectMalformed(event.kind, Array(bytes[..<length])) }
            Self.expectMalformed(event.kind, bytes + [0])
        }
        let snapshot = try Sample.catalog().encodeSnapshot()
        for length in 0..<snapshot.count {
            #expect(throws: CatalogDecodeError.self) { try Catalog(bytes: Array(snapshot[..<length])) }
        }
        #expect(throws: CatalogDecodeError.self) { try Catalog(bytes: snapshot + [0]) }
    }

    @Test("Any flipped bit of an event is refused, or gives an event that is safe to apply and reads back the same")
    func flippedEvents() throws {
        let catalog = try Sample.catalog()
        for event in try Sample.events() {
            let bytes = event.encode()
            for bit in 0..<bytes.count * 8 {
                var flipped = bytes
                flipped[bit / 8] ^= 1 << (bit % 8)
                guard let read = try Self.decodeOrMalformed(event.kind, flipped) else { continue }
                #expect(read.encode() == flipped)
                var copy = catalog
                if (try? copy.apply(read)) != nil { try copy.checkInvariants() }
            }
        }
    }

    @Test("Any flipped bit of a snapshot is refused, or gives a machine that keeps every rule")
    func flippedSnapshots() throws {
        let bytes = try Sample.catalog().encodeSnapshot()
        for bit in 0..<bytes.count * 8 {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << (bit % 8)
            do {
                let catalog = try Catalog(bytes: flipped)
                #expect(catalog.encodeSnapshot() == flipped)
            } catch is CatalogDecodeError {}
        }
    }

    @Test("Random bytes, and bytes of ones, are survived", arguments: Seeds.all)
    func noise(seed: UInt64) throws {
        print("catalog noise of seed \(seed)")
        var random = SplitMix64(seed: seed)
        let snapshot = try Sample.catalog().encodeSnapshot()
        for _ in 0..<500 {
            let kind = UInt16(1 + random.below(10))
            let noise = (0..<random.below(300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = try Self.decodeOrMalformed(kind, noise)
            _ = try Self.decodeOrMalformed(kind, Array(repeating: 0xff, count: noise.count))
            // Noise behind a good beginning gets further than noise alone.
            var bytes = snapshot
            for _ in 0..<1 + random.below(4) {
                let position = random.below(bytes.count)
                for offset in position..<min(bytes.count, position + 1 + random.below(16)) {
                    bytes[offset] = random.below(3) == 0 ? 0xff : UInt8(truncatingIfNeeded: random.next())
                }
            }
            do { _ = try Catalog(bytes: bytes) } catch is CatalogDecodeError {}
        }
    }

    @Test("A count is not believed before the bytes behind it are there")
    func hugeCounts() throws {
        let head = Array(Sample.stream.rawValue.littleBytes + Sample.at.littleBytes)
        for kind in [5, 6] as [UInt16] { Self.expectMalformed(kind, head + UInt32.max.littleBytes) }
        for kind in [5, 6] as [UInt16] { Self.expectMalformed(kind, head + UInt32(0).littleBytes) }
    }

    private static func decode(_ kind: UInt16, _ bytes: [UInt8]) throws -> CatalogEvent {
        try bytes.withUnsafeBytes { try CatalogEvent(kind: kind, payload: $0) }
    }

    private static func decodeOrMalformed(_ kind: UInt16, _ bytes: [UInt8]) throws -> CatalogEvent? {
        do {
            return try self.decode(kind, bytes)
        } catch CatalogDecodeError.malformed {
            return nil
        }
    }

    private static func expectMalformed(
        _ kind: UInt16, _ bytes: [UInt8], _ location: SourceLocation = #_sourceLocation
    ) {
        do {
            let event = try self.decodeOrMalformed(kind, bytes)
            #expect(event == nil, "kind \(kind), \(bytes.count) bytes", sourceLocation: location)
        } catch {
            Issue.record(error, sourceLocation: location)
        }
    }
}

extension FixedWidthInteger {
    var littleBytes: [UInt8] { withUnsafeBytes(of: self.littleEndian) { Array($0) } }
}
