// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirModel

@testable import WeirCommands

/// Takes records as a producer would, with room for a few at a time.
private final class Taker {
    struct Taken: Hashable {
        var key: String
        var hashKey: HashKey?
        var data: String
    }

    var taken: [Taken] = []
    var refused: [(before: UInt64, message: String)] = []
    private let room: Int
    private var left: Int
    private let bytesMax: Int

    init(room: Int = .max, bytesMax: Int = 100) {
        self.room = room
        self.left = room
        self.bytesMax = bytesMax
    }

    func append(
        _ key: UnsafeRawBufferPointer, _ hashKey: HashKey?, _ data: UnsafeRawBufferPointer
    ) throws(WeirError) -> Bool {
        guard data.count + key.count <= self.bytesMax else {
            throw WeirError(.recordTooLarge, "a record of \(data.count + key.count) bytes")
        }
        guard self.left > 0 else {
            self.left = self.room
            return false
        }
        self.left -= 1
        self.taken.append(
            Taken(
                key: String(decoding: key, as: UTF8.self), hashKey: hashKey, data: String(decoding: data, as: UTF8.self)
            ))
        return true
    }

    func refuse(_ before: UInt64, _ error: WeirError) {
        self.refused.append((before, error.message))
    }

    /// Feeds a text by the chunk and finishes.
    func feed(_ form: PutFeeder.Form, _ text: String, size: Int = 7) -> PutCounts {
        var feeder = PutFeeder(form, recordBytesMax: self.bytesMax, seed: 1)
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let chunk = Array(bytes[offset..<min(bytes.count, offset + size)])
            chunk.withUnsafeBytes { raw in
                while !feeder.feed(
                    raw, append: { key, hash, data throws(WeirError) in try self.append(key, hash, data) },
                    refuse: self.refuse)
                {}
            }
            offset += size
        }
        while !feeder.finish(
            append: { key, hash, data throws(WeirError) in try self.append(key, hash, data) }, refuse: self.refuse)
        {}
        return PutCounts(lines: feeder.lineCount, records: feeder.recordCount, bytes: feeder.byteCount)
    }
}

private struct PutCounts: Hashable {
    var lines: Int
    var records: UInt64
    var bytes: Int
}

@Suite struct PutFeederTests {
    @Test(arguments: [1, 2, 3, Int.max], [1, 5, 1000])
    func takesTheFieldOfEachLineAsItsKey(room: Int, size: Int) {
        let taker = Taker(room: room)
        let counts = taker.feed(.lines(.field(2, delimiter: [32])), "a k1 x\nb k2\nc k1 y z\n", size: size)
        #expect(
            taker.taken == [
                .init(key: "k1", hashKey: nil, data: "a k1 x"), .init(key: "k2", hashKey: nil, data: "b k2"),
                .init(key: "k1", hashKey: nil, data: "c k1 y z"),
            ])
        #expect(taker.refused.isEmpty)
        #expect(counts == PutCounts(lines: 3, records: 3, bytes: 24))
    }

    @Test func refusesALineWithoutTheFieldByItsNumber() {
        let taker = Taker()
        let counts = taker.feed(.lines(.field(2, delimiter: [44])), "a,1\nb\nc,2\n\nd,,x\n")
        #expect(taker.taken.map(\.data) == ["a,1", "c,2"])
        #expect(taker.refused.map(\.before) == [1, 2, 2])
        #expect(taker.refused[0].message == "line 2: it has no field 2")
        #expect(taker.refused[1].message == "line 4: it has no field 2")
        #expect(taker.refused[2].message.hasPrefix("line 5: its field 2 is empty"))
        #expect(counts == PutCounts(lines: 5, records: 2, bytes: 8))
    }

    @Test func countsEmptyLinesAndALastOneWithoutNewline() {
        let taker = Taker()
        _ = taker.feed(.lines(.fixed(Array("k".utf8))), "\na\r\n\nlast")
        #expect(taker.taken.map(\.data) == ["", "a\r", "", "last"])
        #expect(Set(taker.taken.map(\.key)) == ["k"])
    }

    @Test(arguments: [1, 2, 3, 1000])
    func aCarriageReturnBelongsToTheLinesEndWhereThatIsAsked(size: Int) {
        let taker = Taker(bytesMax: 8)
        _ = taker.feed(.lines(.field(2, delimiter: [44]), crlf: true), "a,k\r\nb,k\r\r\nc,k\n\r\nd,k\r", size: size)
        #expect(taker.taken.map(\.data) == ["a,k", "b,k\r", "c,k", "d,k"])
        #expect(taker.taken.map(\.key) == ["k", "k\r", "k", "k"])
        #expect(taker.refused.map(\.message) == ["line 4: it has no field 2"])
    }

    @Test func aLineAsLargeAsARecordMayHaveACarriageReturnBehindIt() {
        for count in 6...9 {
            let taker = Taker(bytesMax: 8)
            _ = taker.feed(.lines(.fixed([107]), crlf: true), String(repeating: "x", count: count) + "\r\n")
            #expect([taker.taken.count, taker.refused.count] == (count + 1 <= 8 ? [1, 0] : [0, 1]))
        }
    }

    @Test func randomKeysDiffer() {
        let taker = Taker()
        _ = taker.feed(.lines(.random), String(repeating: "x\n", count: 1000))
        #expect(Set(taker.taken.map(\.key)).count == 1000)
        #expect(taker.taken.allSatisfy { $0.key.utf8.count == 16 && $0.key.allSatisfy(\.isHexDigit) })
    }

    @Test func refusesALineThatIsTooLargeAndGoesOn() {
        let taker = Taker(bytesMax: 10)
        _ = taker.feed(.lines(.fixed(Array("key".utf8))), "1234567\n12345678\n12345678901\nok\n")
        #expect(taker.taken.map(\.data) == ["1234567", "ok"])
        #expect(taker.refused.map(\.message)[0] == "line 2: a record of 11 bytes")
        #expect(taker.refused.map(\.message)[1].hasPrefix("line 3: a line of 11 bytes is larger"))
    }

    @Test func aHashKeyThatIsNoneIsSaidToBeNone() {
        let taker = Taker()
        _ = taker.feed(.json, "{\"data\":\"\",\"partitionKey\":\"k\",\"explicitHashKey\":\"-1\"}\n")
        #expect(taker.taken.isEmpty)
        #expect(
            taker.refused.first?.message.hasPrefix("line 1: it is not a record as weir get --json prints it: ") == true)
    }

    @Test(arguments: [3, 1000])
    func readsWhatGetPrints(size: Int) {
        let taker = Taker(room: 2)
        _ = taker.feed(
            .json,
            """
            {"shardId":"shardId-000000000003","sequenceNumber":"1","partitionKey":"u\\u0041\\"1","approximateArrivalTimestamp":1.5,"data":"aGVsbG8="}
            {"data":"","partitionKey":"k","explicitHashKey":"17"}
            nonsense
            {"partitionKey":"k"}
            {"data":"aGk=","partitionKey":"🎉"}

            """, size: size)
        #expect(
            taker.taken == [
                .init(key: "uA\"1", hashKey: nil, data: "hello"), .init(key: "k", hashKey: HashKey(17), data: ""),
                .init(key: "🎉", hashKey: nil, data: "hi"),
            ])
        #expect(taker.refused.map(\.before) == [2, 2])
        #expect(taker.refused[1].message.contains("data is missing"))
    }
}

@Suite struct KeyFieldTests {
    @Test(
        arguments: [
            ("a b c", 1, " ", "a"), ("a b c", 2, " ", "b"), ("a b c", 3, " ", "c"), ("a b c", 4, " ", nil),
            ("a  b", 2, " ", ""), ("a  b", 3, " ", "b"), ("", 1, " ", ""), ("", 2, " ", nil), ("a ", 2, " ", ""),
            ("a::b:c::d", 2, "::", "b:c"), ("a::b:c::d", 3, "::", "d"), ("a:::b", 2, "::", ":b"), ("a:", 1, "::", "a:"),
            ("x\"a b\" y", 2, " ", "b\""), ("a|b|", 3, "|", ""), ("::", 1, "::", ""), ("::", 2, "::", ""),
        ] as [(String, Int, String, String?)])
    func splitsLiterally(line: String, field: Int, delimiter: String, expected: String?) {
        let found = Array(line.utf8).withUnsafeBytes { line in
            Array(delimiter.utf8).withUnsafeBytes { delimiter in
                KeySource.field(field, of: line, delimiter: delimiter).map { String(decoding: $0, as: UTF8.self) }
            }
        }
        #expect(found == expected)
    }

    @Test func anEmptyLineHasOneEmptyField() {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let delimiter: [UInt8] = [32]
        delimiter.withUnsafeBytes { delimiter in
            #expect(KeySource.field(1, of: empty, delimiter: delimiter)?.isEmpty == true)
            #expect(KeySource.field(2, of: empty, delimiter: delimiter) == nil)
        }
    }

    @Test(
        arguments: [
            (" ", [32]), (",", [44]), ("\\t", [9]), ("\\\\", [92]), ("::", [58, 58]), ("ä", [0xc3, 0xa4]),
        ] as [(String, [UInt8])])
    func readsDelimiters(text: String, bytes: [UInt8]) throws {
        #expect(try KeySource.delimiter(text) == bytes)
    }

    @Test(arguments: ["", "\\", "\\n", "\n", "a\\"])
    func refusesOtherDelimiters(text: String) {
        #expect(throws: Failure.self) { try KeySource.delimiter(text) }
    }
}
