// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirCommands

@Suite struct OutputBytesTests {
    @Test(
        arguments: [
            (0, 1, "0"), (0, 3, "000"), (7, 3, "007"), (123, 2, "123"), (UInt64.max, 1, "18446744073709551615"),
            (5, 20, "00000000000000000005"),
        ] as [(UInt64, Int, String)])
    func writesDecimals(value: UInt64, digits: Int, text: String) {
        let output = OutputBytes()
        output.append(decimal: value, digits: digits)
        #expect(output.text == text)
    }

    @Test func growsAndKeepsWhatItHas() {
        let output = OutputBytes(capacity: 1)
        for number in 0..<1000 { output.append(decimal: Int64(-number)) }
        #expect(output.text == (0..<1000).map { $0 == 0 ? "0" : "-\($0)" }.joined())
        output.removeAll()
        #expect(output.text.isEmpty)
    }

    @Test(arguments: [
        ("", "\"\""), ("plain", "\"plain\""), ("a\"b\\c", "\"a\\\"b\\\\c\""), ("\n\r\t", "\"\\n\\r\\t\""),
        ("\u{1}\u{1f}\u{7f}", "\"\\u0001\\u001f\\u007f\""), ("Grüße 🎉", "\"Grüße 🎉\""), ("/", "\"/\""),
    ])
    func writesJSONStrings(text: String, json: String) {
        let output = OutputBytes()
        output.append(jsonString: text)
        #expect(output.text == json)
    }

    @Test func repairsWhatIsNotUTF8InJSON() {
        let output = OutputBytes()
        [UInt8(97), 0xff, 98].withUnsafeBytes { output.append(jsonString: $0) }
        #expect(output.text == "\"a\u{fffd}b\"")
    }

    @Test(
        arguments: [
            (0, "0.000"), (1_700_000_000_007, "1700000000.007"), (1_700_000_000_999, "1700000000.999"),
            (-1500, "-1.500"),
        ] as [(Int64, String)])
    func writesTimesAsSeconds(millis: Int64, text: String) {
        let output = OutputBytes()
        output.append(seconds: millis)
        #expect(output.text == text)
    }

    @Test(arguments: [
        ("plain text", "plain text"), ("tab\there", "tab\\there"), ("\u{1b}[31mred", "\\x1b[31mred"),
        ("back\\slash", "back\\\\slash"), ("Grüße", "Grüße"), ("a\u{202e}b", "a\\xe2\\x80\\xaeb"),
        ("\r\n\u{0}", "\\r\\n\\x00"),
    ])
    func hidesFromTheTerminalWhatWouldDisturbIt(text: String, visible: String) {
        let output = OutputBytes()
        Array(text.utf8).withUnsafeBytes { output.append(visible: $0) }
        #expect(output.text == visible)
    }

    @Test func showsBytesThatAreNotUTF8() {
        let output = OutputBytes()
        [UInt8(97), 0xff, 0x0a].withUnsafeBytes { output.append(visible: $0) }
        #expect(output.text == "a\\xff\\n")
    }
}

@Suite struct Base64Tests {
    private func encode(_ bytes: [UInt8]) -> String {
        let output = OutputBytes()
        bytes.withUnsafeBytes { Base64.append($0, to: output) }
        return output.text
    }

    private func decode(_ text: String) -> [UInt8]? {
        let output = OutputBytes()
        return Array(text.utf8).withUnsafeBytes { Base64.decode($0, to: output) } ? Array(output.raw) : nil
    }

    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func agreesWithTheStandard(text: String, base64: String) {
        #expect(self.encode(Array(text.utf8)) == base64)
        #expect(self.decode(base64) == Array(text.utf8))
    }

    @Test func usesTheWholeAlphabet() {
        let bytes: [UInt8] = [0x00, 0x10, 0x83, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff]
        #expect(self.encode(bytes) == "ABCD++++////"[...].prefix(4) + "++++" + "////")
    }

    @Test func readsWhatItWrites() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(state: seed)
        for length in 0..<200 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(self.decode(self.encode(bytes)) == bytes)
        }
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zm9v Zg=", "Zm9v\n", "Zm-_", "=Zg="])
    func refusesWhatIsNotWholeBase64(text: String) {
        #expect(self.decode(text) == nil)
    }
}

@Suite struct SequenceDigitsTests {
    private func number(_ index: UInt64, shard: UInt32 = 5, second: UInt64 = 1_700_000_000) -> SequenceNumber {
        SequenceNumber(
            shardCreationSecond: 1_699_999_999, shard: ShardNumber(shard), index: index, arrivalSecond: second)
    }

    @Test func agreesWithTheModelForAnyIndex() {
        var digits = SequenceDigits()
        let output = OutputBytes()
        var expected = ""
        // Runs across borders where many digits carry, and jumps between them.
        for begin in [0, 99, 1 << 20, 1 << 40, (1 << 62) - 3, 9_999_999_999_999_990] as [UInt64] {
            for index in begin..<begin + 300 {
                digits.append(self.number(index), to: output)
                expected += self.number(index).description
            }
        }
        #expect(output.text == expected)
    }

    @Test func beginsAnewInAnotherShardOrSecond() {
        var digits = SequenceDigits()
        let output = OutputBytes()
        let numbers = [
            self.number(1), self.number(2), self.number(3, shard: 6), self.number(4, shard: 6, second: 1_700_000_001),
            self.number(4, shard: 6, second: 1_700_000_001), self.number(3, shard: 6, second: 1_700_000_001),
        ]
        for number in numbers { digits.append(number, to: output) }
        #expect(output.text == numbers.map(\.description).joined())
    }
}

@Suite struct RecordPrinterTests {
    private func print(_ format: RecordFormat, key: String = "user-1", data: String) -> String {
        var printer = RecordPrinter(format)
        let output = OutputBytes()
        Array(key.utf8).withUnsafeBytes { key in
            Array(data.utf8).withUnsafeBytes { data in
                printer.write(
                    ReadPositionTests.sequence, arrivalMillis: 1_700_000_100_042, key: key, data: data, to: output)
            }
        }
        return output.text
    }

    @Test func jsonHasTheFieldsOfTheContract() {
        #expect(
            self.print(.json, key: "a\"b", data: "hello")
                == "{\"shardId\":\"shardId-000000000003\",\"sequenceNumber\":\"\(ReadPositionTests.sequence)\","
                + "\"partitionKey\":\"a\\\"b\",\"approximateArrivalTimestamp\":1700000100.042,\"data\":\"aGVsbG8=\"}\n")
    }

    @Test func rawIsTheDataAndANewline() {
        #expect(self.print(.raw, data: "a\tb\r") == "a\tb\r\n")
    }

    @Test func peopleGetColumns() {
        #expect(
            self.print(.people, data: "two\nlines")
                == "shardId-000000000003\t\(ReadPositionTests.sequence)\tuser-1\ttwo\\nlines\n")
    }
}

@Suite struct ObjectTests {
    @Test func writesMembersInTheirOrder() {
        var object = JSONObject()
        object.set("text", "a\nb")
        object.set("none", nil as String?)
        object.set("count", 7)
        object.set("rate", .real(1234.5678, digits: 1))
        object.set("when", .time(1500))
        object.set("list", .texts(["x", "y"]))
        object.set("yes", .bool(true))
        let output = OutputBytes()
        object.write(to: output)
        #expect(
            output.text
                == "{\"text\":\"a\\nb\",\"none\":null,\"count\":7,\"rate\":1234.6,\"when\":1.500,"
                + "\"list\":[\"x\",\"y\"],\"yes\":true}\n")
    }

    @Test(
        arguments: [
            (0, 0, "0"), (0.05, 1, "0.1"), (-1.25, 1, "-1.3"), (1e9, 2, "1000000000.00"), (.nan, 1, "0"),
            (.infinity, 1, "0"), (0.999, 2, "1.00"),
        ] as [(Double, Int, String)])
    func roundsNumbers(value: Double, digits: Int, text: String) {
        #expect(JSONObject.fixed(value, digits) == text)
    }

    @Test func tablesAreAsWideAsTheirCells() {
        var table = Table([("NAME", .left), ("COUNT", .right), ("NOTE", .left)])
        table.append(["a", "12345678", ""])
        table.append(["longer", "7", "x"])
        let output = OutputBytes()
        table.write(to: output)
        #expect(output.text == "NAME       COUNT  NOTE\na       12345678\nlonger         7  x\n")
    }
}
