// SPDX-License-Identifier: Apache-2.0

/// A JSON value, read strictly: a reader of its own, so that what the program prints is judged by other code than
/// that which wrote it.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// As it was written.
    case number(String)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    package init(parsing text: String) throws {
        var reader = Reader(bytes: Array(text.utf8))
        self = try reader.value(depth: 0)
        reader.skipSpace()
        try require(reader.position == reader.bytes.count, "more than one JSON value in '\(text.prefix(200))'")
    }

    package subscript(name: String) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var integer: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }
    package var double: Double? { if case .number(let text) = self { Double(text) } else { nil } }
    package var array: [JSON]? { if case .array(let values) = self { values } else { nil } }
    package var names: [String] { if case .object(let members) = self { members.keys.sorted() } else { [] } }

    /// The string of that name.
    package func text(_ name: String) throws -> String {
        try require(self[name]?.string, "no text '\(name)' in \(self)")
    }
}

private struct Reader {
    let bytes: [UInt8]
    var position = 0

    private var current: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    private func failed(_ what: String) -> HarnessError {
        HarnessError(
            "not JSON: \(what) at byte \(self.position) of '\(String(decoding: self.bytes.prefix(300), as: UTF8.self))'"
        )
    }

    mutating func skipSpace() {
        while let byte = self.current, byte == 32 || byte == 9 || byte == 10 || byte == 13 { self.position += 1 }
    }

    private mutating func take(_ byte: UInt8) throws {
        guard self.current == byte else { throw self.failed("expected '\(Character(UnicodeScalar(byte)))'") }
        self.position += 1
    }

    private mutating func take(word: StaticString, as value: JSON) throws -> JSON {
        for offset in 0..<word.utf8CodeUnitCount { try self.take(word.utf8Start[offset]) }
        return value
    }

    mutating func value(depth: Int) throws -> JSON {
        guard depth < 16 else { throw self.failed("nested too deeply") }
        self.skipSpace()
        switch self.current {
        case UInt8(ascii: "{"): return try self.object(depth)
        case UInt8(ascii: "["): return try self.array(depth)
        case UInt8(ascii: "\""): return .string(try self.string())
        case UInt8(ascii: "t"): return try self.take(word: "true", as: .bool(true))
        case UInt8(ascii: "f"): return try self.take(word: "false", as: .bool(false))
        case UInt8(ascii: "n"): return try self.take(word: "null", as: .null)
        default: return .number(try self.number())
        }
    }

    private mutating func object(_ depth: Int) throws -> JSON {
        try self.take(UInt8(ascii: "{"))
        var members: [String: JSON] = [:]
        self.skipSpace()
        if self.current == UInt8(ascii: "}") {
            self.position += 1
            return .object(members)
        }
        while true {
            self.skipSpace()
            let name = try self.string()
            self.skipSpace()
            try self.take(UInt8(ascii: ":"))
            guard members.updateValue(try self.value(depth: depth + 1), forKey: name) == nil else {
                throw self.failed("'\(name)' twice")
            }
            self.skipSpace()
            guard self.current == UInt8(ascii: ",") else { break }
            self.position += 1
        }
        try self.take(UInt8(ascii: "}"))
        return .object(members)
    }

    private mutating func array(_ depth: Int) throws -> JSON {
        try self.take(UInt8(ascii: "["))
        var values: [JSON] = []
        self.skipSpace()
        if self.current == UInt8(ascii: "]") {
            self.position += 1
            return .array(values)
        }
        while true {
            values.append(try self.value(depth: depth + 1))
            self.skipSpace()
            guard self.current == UInt8(ascii: ",") else { break }
            self.position += 1
        }
        try self.take(UInt8(ascii: "]"))
        return .array(values)
    }

    private mutating func number() throws -> String {
        let start = self.position
        while let byte = self.current, (48...57).contains(byte) || [43, 45, 46, 69, 101].contains(byte) {
            self.position += 1
        }
        let text = String(decoding: self.bytes[start..<self.position], as: UTF8.self)
        let digits = text.drop { $0 == "-" }
        guard Double(text) != nil, !text.hasPrefix("+"),
            digits == "0" || !digits.hasPrefix("0") || digits.hasPrefix("0."),
            !text.hasSuffix(".")
        else { throw self.failed("no value") }
        return text
    }

    private mutating func string() throws -> String {
        try self.take(UInt8(ascii: "\""))
        var text: [UInt8] = []
        while let byte = self.current {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: text, as: UTF8.self) else { throw self.failed("no UTF-8") }
                return text
            case UInt8(ascii: "\\"): try self.escape(&text)
            case 0..<32: throw self.failed("a control character inside a string")
            default: text.append(byte)
            }
        }
        throw self.failed("a string without an end")
    }

    private mutating func escape(_ text: inout [UInt8]) throws {
        guard let byte = self.current else { throw self.failed("an escape without an end") }
        self.position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var unit = UInt32(try self.hex())
            if (0xd800..<0xdc00).contains(unit) {
                try self.take(UInt8(ascii: "\\"))
                try self.take(UInt8(ascii: "u"))
                let low = UInt32(try self.hex())
                guard (0xdc00..<0xe000).contains(low) else { throw self.failed("half a surrogate pair") }
                unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = UnicodeScalar(unit) else { throw self.failed("half a surrogate pair") }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw self.failed("an unknown escape")
        }
    }

    private mutating func hex() throws -> UInt16 {
        guard self.position + 4 <= self.bytes.count,
            let unit = UInt16(String(decoding: self.bytes[self.position..<self.position + 4], as: UTF8.self), radix: 16)
        else { throw self.failed("no four hex digits") }
        self.position += 4
        return unit
    }
}
