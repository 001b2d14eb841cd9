// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel
import WeirTestKit

@Suite struct RecordFieldTests {
    private func value(_ field: String, _ json: String) throws -> RecordField.Value? {
        try Array(json.utf8).withUnsafeBytes { try RecordField(field).value(in: $0) }
    }

    @Test(
        arguments: [
            (".a", #"{"a":"x"}"#, .text("x")), (".a", #"{"b":{"a":1},"a":"y"}"#, .text("y")),
            (".a.b", #"{"a":{"c":[{"b":1}],"b":-1.50e3}}"#, .number("-1.50e3")),
            (".a", #" {"a" : true} "#, .text("true")),
            (".\u{fc}", #"{"\u00fc":"\u00fc"}"#, .text("\u{fc}")), (".a", #"{"a":1,"a":2}"#, .number("1")),
            (".a", #"{"a":"x", damaged"#, .text("x")),
            (".a", #"{"a":null}"#, nil), (".a", #"{"a":[1]}"#, nil), (".a", #"{"a":{}}"#, nil), (".a", "[1]", nil),
            (".a.b", #"{"a":"b"}"#, nil), (".a", #"{"b":}"#, nil), (".a", "", nil), (".a", "\u{fe}", nil),
            (".a", "{", nil),
        ] as [(String, String, RecordField.Value?)])
    func `A value is found by its names`(_ field: String, _ json: String, _ expected: RecordField.Value?) throws {
        #expect(try self.value(field, json) == expected)
    }

    @Test func `A path has a dot before each of at most eight names`() throws {
        for count in 1...RecordField.namesMax { _ = try RecordField(String(repeating: ".n", count: count)) }
        _ = try RecordField("." + String(repeating: "n", count: RecordField.bytesMax - 1))
        for text in [
            "", ".", "a", "a.b", ".a..b", ".a.", String(repeating: ".n", count: RecordField.namesMax + 1),
            "." + String(repeating: "n", count: RecordField.bytesMax),
        ] {
            #expect(throws: WeirError.self, "\(text)") { try RecordField(text) }
        }
    }

    @Test func `Garbage has no value and never traps`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        let field = try RecordField(".a.b")
        for _ in 0..<5000 {
            var bytes = Array(#"{"x":[1,{"y":"z"}],"a":{"b":"c"}}"#.utf8)
            for _ in 0..<random.within(1...4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            _ = bytes.withUnsafeBytes { field.value(in: $0) }
            let part = bytes.prefix(random.below(bytes.count))
            _ = Array(part).withUnsafeBytes { field.value(in: $0) }
        }
    }

    @Test(
        arguments: [
            (.rfc3339, #""2015-05-17T10:05:03Z""#, 1_431_857_103_000),
            (.rfc3339, #""2015-05-17T12:05:03.250+02:00""#, 1_431_857_103_250),
            (.rfc3339, "1431857103", nil), (.rfc3339, #""yesterday""#, nil),
            (.rfc3339, #""1969-12-31T23:59:59Z""#, nil),
            (.seconds, "1431857103", 1_431_857_103_000), (.seconds, "1431857103.25", 1_431_857_103_250),
            (.seconds, #""1431857103""#, 1_431_857_103_000), (.seconds, "-1", nil), (.seconds, "1e300", nil),
            (.seconds, #""nan""#, nil), (.seconds, "253402300799", 253_402_300_799_000),
            (.seconds, "253402300800", nil),
            (.milliseconds, "1431857103250", 1_431_857_103_250), (.microseconds, "1431857103250999", 1_431_857_103_250),
            (.seconds, "0", 0), (.seconds, "null", nil),
        ] as [(EventTime.Form, String, Int64?)])
    func `An event time is read as it is said to be written`(_ form: EventTime.Form, _ json: String, _ millis: Int64?)
        throws
    {
        let time = try EventTime(".t", form)
        #expect(Array("{\"t\":\(json)}".utf8).withUnsafeBytes { time.millis(of: $0) } == millis)
    }

    // MARK: In prefixes

    /// 28 November 2026, 09:05:03 UTC.
    private static let arrival: Int64 = 1_795_856_703_000

    private func partition(_ pattern: PrefixPattern, _ json: String) -> PrefixPattern.Partition {
        Array(json.utf8).withUnsafeBytes { pattern.partition(millis: Self.arrival, data: $0) }
    }

    @Test func `Values become folders of their own, and none leaves its folder`() throws {
        let pattern = try PrefixPattern("u=!{partitionKeyFromQuery:.u}/!{timestamp:yyyy}/")
        #expect(pattern.readsData)
        let values = ["a", "a/b", "a%2Fb", "..", ".", "%", "a.b", " ", "\\u0000", "\\u0001", "\u{fc}", "\\n"]
        let paths = values.map { self.partition(pattern, "{\"u\":\"\($0)\"}") }
        #expect(Set(paths.map(\.text)).count == values.count)
        for path in paths {
            #expect(!path.lacksField && path.text.hasPrefix("u=") && path.text.hasSuffix("/2026/"), "\(path)")
            #expect(path.text.split(separator: "/").count == 2 && !path.text.contains("/."), "\(path)")
            #expect(path.text.unicodeScalars.allSatisfy { $0.value >= 0x20 })
        }
        #expect(self.partition(pattern, #"{"u":-1.5}"#).text == "u=-1.5/2026/")
        let alone = try PrefixPattern("!{partitionKeyFromQuery:.u}/!{timestamp:yyyy}/")
        #expect(self.partition(alone, #"{"u":"../x"}"#).text == "%2E.%2Fx/2026/")
    }

    @Test func `Without the field, or with one that is empty or too long, a record goes to the error prefix`() throws {
        let pattern = try PrefixPattern("!{partitionKeyFromQuery:.u}/!{timestamp:yyyy}/")
        for length in [1, PrefixPattern.valueBytesMax] {
            let value = String(repeating: "v", count: length)
            #expect(self.partition(pattern, "{\"u\":\"\(value)\"}").text == "\(value)/2026/")
        }
        let tooLong = String(repeating: "v", count: PrefixPattern.valueBytesMax + 1)
        for json in ["{}", "x", #"{"u":null}"#, #"{"u":""}"#, "{\"u\":\"\(tooLong)\"}"] {
            let partition = self.partition(pattern, json)
            #expect(
                partition.lacksField && partition.text == "errors/metadata-extraction-failed/2026/11/28/09/", "\(json)")
        }
        let other = try PrefixPattern("!{partitionKeyFromQuery:.u}/", errors: "bad-!{timestamp:yyyy}/")
        #expect(self.partition(other, "{}").text == "bad-2026/")
        for errors in ["/e", "!{partitionKeyFromQuery:.u}/", "../", String(repeating: "e/", count: 129)] {
            #expect(throws: WeirError.self, "\(errors)") { try PrefixPattern("a/", errors: errors) }
        }
        #expect(throws: WeirError.self) { try PrefixPattern("!{partitionKeyFromQuery:u}/") }
    }

    @Test func `The time of a prefix is the event's, and a late record goes where it belongs`() throws {
        let pattern = try PrefixPattern("!{timestamp:yyyy/MM/dd}/", eventTime: try EventTime(".t", .milliseconds))
        for (before, isLate) in [(0, false), (3_599_999, false), (3_600_000, true), (259_200_000, true)]
            as [(Int64, Bool)]
        {
            let partition = self.partition(pattern, "{\"t\":\(Self.arrival - before)}")
            #expect(partition.isLate == isLate && !partition.lacksTime, "\(before)")
        }
        #expect(self.partition(pattern, "{\"t\":\(Self.arrival - 259_200_000)}").text == "2026/11/25/")
        let without = self.partition(pattern, "{}")
        #expect(without.lacksTime && !without.isLate && without.text == "2026/11/28/")
    }
}
