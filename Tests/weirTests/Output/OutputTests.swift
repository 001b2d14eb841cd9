// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirJSON
import WeirModel

@testable import WeirCommands

@Suite struct VisibleTextTests {
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

    @Test func tablesAreAsWideAsTheirCells() {
        var table = Table([("NAME", .left), ("COUNT", .right), ("NOTE", .left)])
        table.append(["a", "12345678", ""])
        table.append(["longer", "7", "x"])
        let output = OutputBytes()
        table.write(to: output)
        #expect(output.text == "NAME       COUNT  NOTE\na       12345678\nlonger         7  x\n")
    }
}
