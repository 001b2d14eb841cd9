// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirJSON

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

    @Test(
        arguments: [
            (0, 0, "0"), (0.05, 1, "0.1"), (-1.25, 1, "-1.3"), (1e9, 2, "1000000000.00"), (.nan, 1, "0"),
            (.infinity, 1, "0"), (0.999, 2, "1.00"),
        ] as [(Double, Int, String)])
    func roundsNumbers(value: Double, digits: Int, text: String) {
        #expect(JSONNumber.fixed(value, digits) == text)
    }
}
