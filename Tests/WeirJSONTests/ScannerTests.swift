// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirJSON

/// What is wrong with a text as one value, `nil` when nothing is.
func fault(_ text: String, bytesMax: Int = JSONScanner.textBytesMax) -> JSONError? {
    fault(Array(text.utf8), bytesMax: bytesMax)
}

func fault(_ bytes: [UInt8], bytesMax: Int = JSONScanner.textBytesMax) -> JSONError? {
    bytes.withUnsafeBytes { raw in
        do throws(JSONError) {
            var scanner = try JSONScanner(raw, bytesMax: bytesMax)
            try scanner.skipValue()
            try scanner.end()
            return nil
        } catch {
            return error
        }
    }
}

/// The string that a text is.
func string(_ text: String) throws(JSONError) -> String {
    let result: Result<String, JSONError> = Array(text.utf8).withUnsafeBytes { raw in
        do throws(JSONError) {
            var scanner = try JSONScanner(raw)
            let string = try scanner.string().text
            try scanner.end()
            return .success(string)
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

@Suite struct ScannerTests {
    @Test(arguments: [
        "0", "-0", "1", "-1", "10", "1234567890123456789012345678901234567890", "0.5", "-0.25", "1e5", "1E+5", "1e-5",
        "0e0", "0.0e-0", "1.5E300", "1e999", " 7 ", "\t\r\n1\n",
    ])
    func takesNumbers(text: String) {
        #expect(fault(text) == nil)
    }

    @Test(arguments: [
        "", "-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "1e1.5", "0x10", "1_000", "1a", "NaN",
        "Infinity", "-Infinity", "1 2", "1-2", "--1", "1ee5", "١",
    ])
    func refusesWhatIsNoNumber(text: String) {
        #expect(fault(text) != nil)
    }

    @Test(
        arguments: [
            ("0", 0, 0), ("-0", 0, 0), ("9223372036854775807", .max, 0x1p63),
            ("-9223372036854775808", .min, -0x1p63), ("9223372036854775808", nil, 0x1p63),
            ("1.0", nil, 1), ("1e3", nil, 1000), ("1e999", nil, nil), ("0.1", nil, 0.1),
        ] as [(String, Int64?, Double?)])
    func numbersAreIntegersOrDoubles(text: String, integer: Int64?, double: Double?) throws {
        try Array(text.utf8).withUnsafeBytes { raw in
            var scanner = try JSONScanner(raw)
            let number = try scanner.number()
            #expect(number.integer(Int64.self) == integer)
            #expect(number.double == double)
            #expect(number.text == text)
        }
    }

    @Test(arguments: [
        (#""""#, ""), (#""a""#, "a"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (#""\u0041\u00e9\u20AC""#, "Aé€"),
        (#""\ud83c\udf89""#, "🎉"), (#""\uD800\uDC00""#, "\u{10000}"), (#""\udbff\udfff""#, "\u{10ffff}"),
        (#""\ud7ff\ue000\uffff""#, "\u{d7ff}\u{e000}\u{ffff}"), (#""\u0000""#, "\u{0}"), ("\"Grüße 🎉\"", "Grüße 🎉"),
        ("\"\u{7f}\u{2028}\"", "\u{7f}\u{2028}"),
    ])
    func readsStrings(text: String, value: String) throws {
        #expect(try string(text) == value)
    }

    @Test(
        arguments: [
            (#""\x""#, 1, .escape), (#""ab\u12""#, 3, .escape), (#""\u12g4""#, 1, .escape), (#""\U0041""#, 1, .escape),
            (#""\u+123""#, 1, .escape), (#""\ud800""#, 1, .surrogate), (#""\udc00""#, 1, .surrogate),
            (#""a\ud800b""#, 2, .surrogate), (#""\ud800\ud800""#, 1, .surrogate), (#""\ud800\n""#, 1, .surrogate),
            (#""\ud800\u0041""#, 1, .surrogate), ("\"a\u{1}\"", 2, .control), ("\"a\nb\"", 2, .control),
            ("\"\\\u{1}\"", 1, .escape), ("\"a", 2, .expected("the end of a string")),
            ("\"a\\", 3, .expected("the end of a string")), ("\"a\\\"", 4, .expected("the end of a string")),
        ] as [(String, Int, JSONError.Problem)])
    func saysWhereAStringIsWrong(text: String, offset: Int, problem: JSONError.Problem) {
        #expect(fault(text) == JSONError(problem, at: offset))
        // What is only skipped is looked at like what is read.
        if case .expected = problem { return }
        #expect(fault("{\"a\":[\(text)]}") == JSONError(problem, at: offset + 6))
    }

    @Test(
        arguments: [
            [0x80], [0xff], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xe0, 0x9f, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82],
            [0xf0, 0x8f, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x28, 0xa1],
            [0xf0, 0x9f, 0x8e, 0x41],
        ] as [[UInt8]])
    func refusesStringsThatAreNotUTF8(bytes: [UInt8]) {
        #expect(String(validating: bytes, as: UTF8.self) == nil)
        let quote = UInt8(ascii: "\"")
        #expect(fault([quote, 97] + bytes + [quote]) == JSONError(.encoding, at: 2))
    }

    @Test func agreesWithTheStandardLibraryOnUTF8() {
        let edges: [UInt8] = [
            0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
            0xef,
            0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ]
        for first in edges {
            for second in edges {
                for third in edges {
                    let bytes = [first, second, third, 0x80]
                    for length in 1...4 {
                        let part = Array(bytes[..<length])
                        let isValid = part.withUnsafeBytes { JSONString.firstFault(ofUTF8: $0) == nil }
                        #expect(isValid == (String(validating: part, as: UTF8.self) != nil), "\(part)")
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "[[]]", "{\"a\":1}", "{\"a\":{\"b\":[1,\"x\",null,true,false,{}]},\"a\":2}", " [ 1 , 2 ] ", "null",
        "true", "false", "\"\"", "[\n]", "{ }",
    ])
    func takesValues(text: String) {
        #expect(fault(text) == nil)
    }

    @Test(
        arguments: [
            ("", 0, "a value"), ("  ", 2, "a value"), ("[", 1, "a value"), ("[1", 2, "',' or ']'"),
            ("[1,]", 3, "a value"), ("[,1]", 1, "a value"), ("[1 2]", 3, "',' or ']'"), ("[1}", 2, "',' or ']'"),
            ("{", 1, "a member's name"), ("{,}", 1, "a member's name"), ("{\"a\"}", 4, "':' behind a name"),
            ("{\"a\":}", 5, "a value"), ("{\"a\":1,}", 7, "a member's name"), ("{a:1}", 1, "a member's name"),
            ("{\"a\":1 \"b\":2}", 7, "',' or '}'"), ("{\"a\":1]", 6, "',' or '}'"), ("]", 0, "a value"),
            ("1 1", 2, "nothing behind the value"), ("{}}", 2, "nothing behind the value"), ("nul", 0, "a value"),
            ("nulll", 0, "a value"), ("True", 0, "a value"), ("truefalse", 0, "a value"), ("[null\"\"]", 1, "a value"),
            ("{\"a\":nope}", 5, "a value"), ("\u{feff}1", 0, "a value"), ("[1,//\n2]", 3, "a value"),
        ] as [(String, Int, String)])
    func saysWhatIsAllowedAndWhere(text: String, offset: Int, what: String) {
        let error = fault(text)
        #expect(error == JSONError(.expected(what), at: offset))
        #expect(error?.description == "\(what) is expected at column \(offset + 1)")
    }

    @Test func depthHasABound() {
        for depth in [1, 63, 64, 65, 66, 1000, 100_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
                let levels = open.count == 6 ? depth / 2 * 2 : depth
                let pairs = open.count == 6 ? depth / 2 : depth
                let text = String(repeating: open, count: pairs) + "1" + String(repeating: close, count: pairs)
                if levels <= JSONScanner.depthMax {
                    #expect(fault(text) == nil)
                } else {
                    #expect(fault(text)?.problem == .depth(max: 64), "\(open) \(depth)")
                }
            }
        }
    }

    @Test func lengthsHaveBounds() {
        let digits = String(repeating: "1", count: JSONScanner.numberBytesMax)
        #expect(fault(digits) == nil)
        #expect(fault("[" + digits + "1]") == JSONError(.number(max: 1000), at: 1))
        #expect(fault("[1,2]", bytesMax: 5) == nil)
        #expect(fault("[1,2]", bytesMax: 4) == JSONError(.length(5, max: 4), at: 4))
        #expect(fault("[1,2]", bytesMax: 4)?.description == "it has 5 bytes; 4 are allowed")
    }

    @Test func whatComesIsKnownByItsFirstByte() throws {
        try Array("[{},[],\"\",-1,true,null,?".utf8).withUnsafeBytes { raw in
            var scanner = try JSONScanner(raw)
            try scanner.beginArray()
            for kind in [.object, .array, .string, .number, .bool, .null] as [JSONScanner.Kind] {
                #expect(try scanner.nextElement())
                #expect(scanner.kind() == kind)
                try scanner.skipValue()
            }
            #expect(try scanner.nextElement())
            #expect(scanner.kind() == nil)
        }
    }

    @Test func namesMatchWithAndWithoutEscapes() throws {
        try Array(#"{"data":1,"d\u0061ta":2,"dat":3,"data\u0000":4,"":5}"#.utf8).withUnsafeBytes { raw in
            var scanner = try JSONScanner(raw)
            var hits: [Int64?] = []
            try scanner.beginObject()
            while let name = try scanner.nextName() {
                let value = try scanner.number().integer(Int64.self)
                switch name {
                case "data": hits.append(value)
                default: break
                }
            }
            try scanner.end()
            #expect(hits == [1, 2])
        }
    }
}
