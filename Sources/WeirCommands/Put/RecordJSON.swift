// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Reads the objects that `weir get --json` prints: `partitionKey`, `data` in base64, and `explicitHashKey` if there is
/// one. Other members are skipped, whatever they are.
struct RecordJSON {
    struct Malformed: Error, Hashable {
        let description: String
        init(_ description: String) { self.description = description }
    }

    private(set) var explicitHashKey: HashKey?
    private let keyBytes = OutputBytes()
    private let dataBytes = OutputBytes()
    private let scratch = OutputBytes()

    /// Valid until the next `parse`.
    var key: UnsafeRawBufferPointer { self.keyBytes.raw }
    var data: UnsafeRawBufferPointer { self.dataBytes.raw }

    mutating func parse(_ line: UnsafeRawBufferPointer) throws(Malformed) {
        self.explicitHashKey = nil
        self.keyBytes.removeAll()
        self.dataBytes.removeAll()
        var hasKey = false
        var hasData = false
        var scanner = JSONScanner(line)
        try scanner.expect("{", "an object")
        var isFirst = true
        while try scanner.nextMember(isFirst: isFirst) {
            isFirst = false
            let name = try self.string(&scanner, "a member's name")
            let member = String(decoding: name, as: UTF8.self)
            try scanner.expect(":", "':' behind a name")
            switch member {
            case "partitionKey":
                self.keyBytes.removeAll()
                self.keyBytes.append(try self.string(&scanner, "a string as partitionKey"))
                hasKey = true
            case "data":
                self.dataBytes.removeAll()
                guard Base64.decode(try self.string(&scanner, "a string as data"), to: self.dataBytes) else {
                    throw Malformed("data is not base64")
                }
                hasData = true
            case "explicitHashKey": try self.readHashKey(&scanner)
            default: try scanner.skipValue()
            }
        }
        try scanner.expectEnd()
        guard hasKey else { throw Malformed("partitionKey is missing") }
        guard hasData else { throw Malformed("data is missing") }
    }

    private mutating func readHashKey(_ scanner: inout JSONScanner) throws(Malformed) {
        if scanner.skipNull() { return }
        let text = String(decoding: try self.string(&scanner, "a string as explicitHashKey"), as: UTF8.self)
        do throws(WeirError) {
            self.explicitHashKey = try HashKey(parsing: text)
        } catch {
            throw Malformed(error.message)
        }
    }

    /// The string's bytes: where they stand, or unescaped in `scratch`, which the next one overwrites.
    private func string(_ scanner: inout JSONScanner, _ what: String) throws(Malformed) -> UnsafeRawBufferPointer {
        let (bytes, isEscaped) = try scanner.string(what)
        guard isEscaped else { return bytes }
        self.scratch.removeAll()
        try JSONScanner.unescape(bytes, to: self.scratch)
        return self.scratch.raw
    }
}

/// Walks over JSON text.
struct JSONScanner {
    typealias Malformed = RecordJSON.Malformed

    private let text: UnsafeRawBufferPointer
    private var offset = 0
    static let depthMax = 64

    init(_ text: UnsafeRawBufferPointer) {
        self.text = text
    }

    private mutating func skipSpace() {
        while self.offset < self.text.count, [32, 9, 10, 13].contains(self.text[self.offset]) { self.offset += 1 }
    }

    private mutating func peek() -> UInt8? {
        self.skipSpace()
        return self.offset < self.text.count ? self.text[self.offset] : nil
    }

    mutating func expect(_ character: Unicode.Scalar, _ what: String) throws(Malformed) {
        guard self.peek() == UInt8(ascii: character) else { throw self.missing(what) }
        self.offset += 1
    }

    mutating func expectEnd() throws(Malformed) {
        guard self.peek() == nil else { throw self.missing("nothing behind the object") }
    }

    private func missing(_ what: String) -> Malformed {
        Malformed("\(what) is expected at column \(self.offset + 1)")
    }

    /// False, and the object is closed, when there are no more members.
    mutating func nextMember(isFirst: Bool) throws(Malformed) -> Bool {
        if self.peek() == UInt8(ascii: "}") {
            self.offset += 1
            return false
        }
        if !isFirst { try self.expect(",", "',' or '}'") }
        return true
    }

    /// What stands between the quotes, and whether there are escapes in it.
    mutating func string(_ what: String) throws(Malformed) -> (UnsafeRawBufferPointer, Bool) {
        guard self.peek() == UInt8(ascii: "\"") else { throw self.missing(what) }
        self.offset += 1
        let begin = self.offset
        var isEscaped = false
        while self.offset < self.text.count {
            switch self.text[self.offset] {
            case UInt8(ascii: "\""):
                self.offset += 1
                return (UnsafeRawBufferPointer(rebasing: self.text[begin..<self.offset - 1]), isEscaped)
            case UInt8(ascii: "\\"):
                isEscaped = true
                self.offset += 2
            case 0..<0x20: throw self.missing("no control character in a string")
            default: self.offset += 1
            }
        }
        self.offset = self.text.count
        throw self.missing("the end of a string")
    }

    mutating func skipNull() -> Bool {
        guard self.peek() == UInt8(ascii: "n"), (try? self.literal()) == "null" else { return false }
        return true
    }

    mutating func skipValue(depth: Int = 0) throws(Malformed) {
        guard depth < Self.depthMax else { throw self.missing("less nesting") }
        switch self.peek() {
        case UInt8(ascii: "\""): _ = try self.string("a string")
        case UInt8(ascii: "{"):
            self.offset += 1
            var isFirst = true
            while try self.nextMember(isFirst: isFirst) {
                isFirst = false
                _ = try self.string("a member's name")
                try self.expect(":", "':' behind a name")
                try self.skipValue(depth: depth + 1)
            }
        case UInt8(ascii: "["):
            self.offset += 1
            try self.skipElements(depth: depth + 1)
        default: _ = try self.literal()
        }
    }

    private mutating func skipElements(depth: Int) throws(Malformed) {
        if self.peek() == UInt8(ascii: "]") {
            self.offset += 1
            return
        }
        while true {
            try self.skipValue(depth: depth)
            if self.peek() == UInt8(ascii: "]") {
                self.offset += 1
                return
            }
            try self.expect(",", "',' or ']'")
        }
    }

    /// A number, `true`, `false` or `null`.
    mutating func literal() throws(Malformed) -> String {
        self.skipSpace()
        let begin = self.offset
        while self.offset < self.text.count, !" \t\r\n,}]\":".utf8.contains(self.text[self.offset]) { self.offset += 1 }
        let word = String(decoding: self.text[begin..<self.offset], as: UTF8.self)
        guard ["true", "false", "null"].contains(word) || Self.isNumber(word) else {
            self.offset = begin
            throw self.missing("a value")
        }
        return word
    }

    private static func isNumber(_ word: String) -> Bool {
        guard let first = word.utf8.first, first == UInt8(ascii: "-") || (48...57).contains(first) else { return false }
        return word.utf8.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) } && Double(word) != nil
    }

    static func unescape(_ bytes: UnsafeRawBufferPointer, to output: OutputBytes) throws(Malformed) {
        var at = 0
        while at < bytes.count {
            guard bytes[at] == UInt8(ascii: "\\") else {
                output.append(byte: bytes[at])
                at += 1
                continue
            }
            let escape = at + 1 < bytes.count ? bytes[at + 1] : 0
            at += 2
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(byte: escape)
            case UInt8(ascii: "n"): output.append(byte: 10)
            case UInt8(ascii: "r"): output.append(byte: 13)
            case UInt8(ascii: "t"): output.append(byte: 9)
            case UInt8(ascii: "b"): output.append(byte: 8)
            case UInt8(ascii: "f"): output.append(byte: 12)
            case UInt8(ascii: "u"): try Self.unescapeUnicode(bytes, &at, output)
            default: throw Malformed("a string holds an escape that JSON does not know")
            }
        }
    }

    /// `at` is behind `\u`. Two of them can be one character.
    private static func unescapeUnicode(
        _ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ output: OutputBytes
    ) throws(Malformed) {
        let high = try Self.hex(bytes, at)
        at += 4
        if let scalar = Unicode.Scalar(high) {
            output.append(text: String(scalar))
            return
        }
        guard (0xd800..<0xdc00).contains(high), at + 6 <= bytes.count, bytes[at] == UInt8(ascii: "\\"),
            bytes[at + 1] == UInt8(ascii: "u")
        else { throw Malformed("half a surrogate pair in a string") }
        let low = try Self.hex(bytes, at + 2)
        guard (0xdc00..<0xe000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + low - 0xdc00)
        else { throw Malformed("half a surrogate pair in a string") }
        at += 6
        output.append(text: String(scalar))
    }

    private static func hex(_ bytes: UnsafeRawBufferPointer, _ offset: Int) throws(Malformed) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw Malformed("a string ends within an escape") }
        var value: UInt32 = 0
        for byte in bytes[offset..<offset + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Malformed("a string holds an escape that JSON does not know")
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
