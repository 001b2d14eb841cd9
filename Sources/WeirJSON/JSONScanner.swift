// SPDX-License-Identifier: Apache-2.0

/// Walks over JSON text (RFC 8259) from value to value, without a tree and without allocations.
///
/// The caller says what it takes next. Strings and numbers that it gets are parts of the text, and valid as long as the
/// text is. Depth and lengths have bounds. After an error the scanner is of no more use.
package struct JSONScanner {
    package enum Kind: Hashable, Sendable { case object, array, string, number, bool, null }

    /// Containers that may be open at once: as many as a word has bits.
    package static let depthMax = 64
    /// Bytes of a number; far more than a double or a sequence number has.
    package static let numberBytesMax = 1000
    /// Bytes of a text: the largest record in base64, all of whose letters are escaped, fits.
    package static let textBytesMax = 128 << 20

    private let text: UnsafeRawBufferPointer
    /// Bytes that were read.
    package private(set) var offset = 0
    private var depth = 0
    /// One bit for each open container, the innermost lowest: whether it is an object, and whether it is still empty.
    private var objects: UInt64 = 0
    private var empties: UInt64 = 0

    package init(_ text: UnsafeRawBufferPointer, bytesMax: Int = Self.textBytesMax) throws(JSONError) {
        guard text.count <= bytesMax else { throw JSONError(.length(text.count, max: bytesMax), at: bytesMax) }
        self.text = text
    }

    // MARK: What comes

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 10 || byte == 13 || byte == 9 }

    private mutating func peek() -> UInt8? {
        while self.offset < self.text.count {
            let byte = self.text[self.offset]
            guard Self.isSpace(byte) else { return byte }
            self.offset += 1
        }
        return nil
    }

    /// Of the value that comes next, by its first byte; `nil` when no value begins there.
    package mutating func kind() -> Kind? {
        switch self.peek() {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case let byte? where byte == UInt8(ascii: "-") || (48...57).contains(byte): .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "n"): .null
        default: nil
        }
    }

    private func expected(_ what: String) -> JSONError { JSONError(.expected(what), at: self.offset) }

    private mutating func take(_ character: Unicode.Scalar, _ what: String) throws(JSONError) {
        guard self.peek() == UInt8(ascii: character) else { throw self.expected(what) }
        self.offset += 1
    }

    /// Nothing but white space is left.
    package mutating func end(_ what: String = "nothing behind the value") throws(JSONError) {
        guard self.peek() == nil else { throw self.expected(what) }
    }

    // MARK: Containers

    private mutating func open(isObject: Bool) throws(JSONError) {
        guard self.depth < Self.depthMax else { throw JSONError(.depth(max: Self.depthMax), at: self.offset) }
        self.offset += 1
        self.depth += 1
        self.objects = self.objects << 1 | (isObject ? 1 : 0)
        self.empties = self.empties << 1 | 1
    }

    private mutating func close() {
        self.offset += 1
        self.depth -= 1
        self.objects >>= 1
        self.empties >>= 1
    }

    package mutating func beginObject(_ what: String = "an object") throws(JSONError) {
        guard self.peek() == UInt8(ascii: "{") else { throw self.expected(what) }
        try self.open(isObject: true)
    }

    /// The name of the next member, whose value comes next; `nil`, and the object is closed, when there is none.
    package mutating func nextName() throws(JSONError) -> JSONString? {
        precondition(self.depth > 0 && self.objects & 1 == 1, "names are read inside an object")
        if self.peek() == UInt8(ascii: "}") {
            self.close()
            return nil
        }
        if self.empties & 1 == 0 { try self.take(",", "',' or '}'") }
        self.empties &= ~1
        let name = try self.string("a member's name")
        try self.take(":", "':' behind a name")
        return name
    }

    package mutating func beginArray(_ what: String = "an array") throws(JSONError) {
        guard self.peek() == UInt8(ascii: "[") else { throw self.expected(what) }
        try self.open(isObject: false)
    }

    /// Whether an element comes next. When none does, the array is closed.
    package mutating func nextElement() throws(JSONError) -> Bool {
        precondition(self.depth > 0 && self.objects & 1 == 0, "elements are read inside an array")
        let isEmpty = self.empties & 1 == 1
        self.empties &= ~1
        if self.peek() == UInt8(ascii: "]") {
            self.close()
            return false
        }
        if !isEmpty { try self.take(",", "',' or ']'") }
        return true
    }

    // MARK: Values

    package mutating func string(_ what: String = "a string") throws(JSONError) -> JSONString {
        guard self.peek() == UInt8(ascii: "\"") else { throw self.expected(what) }
        self.offset += 1
        let begin = self.offset
        var isEscaped = false
        var isASCII = true
        while self.offset < self.text.count {
            let byte = self.text[self.offset]
            if byte == UInt8(ascii: "\"") {
                let bytes = UnsafeRawBufferPointer(rebasing: self.text[begin..<self.offset])
                if !isASCII, let fault = JSONString.firstFault(ofUTF8: bytes) {
                    throw JSONError(.encoding, at: begin + fault)
                }
                self.offset += 1
                return JSONString(bytes: bytes, isEscaped: isEscaped, offset: begin)
            }
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                self.offset += try JSONString.escape(self.text, self.offset).length
                continue
            }
            if byte < 0x20 { throw JSONError(.control, at: self.offset) }
            if byte >= 0x80 { isASCII = false }
            self.offset += 1
        }
        throw self.expected("the end of a string")
    }

    package mutating func number(_ what: String = "a number") throws(JSONError) -> JSONNumber {
        guard self.kind() == .number, let length = JSONNumber.length(self.text, self.offset) else {
            throw self.expected(what)
        }
        guard length <= Self.numberBytesMax else {
            throw JSONError(.number(max: Self.numberBytesMax), at: self.offset)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: self.text[self.offset..<self.offset + length])
        try self.endWord(length, what)
        return JSONNumber(bytes: bytes)
    }

    package mutating func bool(_ what: String = "true or false") throws(JSONError) -> Bool {
        switch self.peek() {
        case UInt8(ascii: "t"): try self.word("true", what)
        case UInt8(ascii: "f"): try self.word("false", what)
        default: throw self.expected(what)
        }
        return self.text[self.offset - 2] == UInt8(ascii: "u")
    }

    /// Whether a `null` came, which is read then.
    package mutating func skipNull() throws(JSONError) -> Bool {
        guard self.peek() == UInt8(ascii: "n") else { return false }
        try self.word("null", "a value")
        return true
    }

    private mutating func word(_ word: StaticString, _ what: String) throws(JSONError) {
        let length = word.utf8CodeUnitCount
        guard self.text.count - self.offset >= length else { throw self.expected(what) }
        for position in 0..<length where self.text[self.offset + position] != word.utf8Start[position] {
            throw self.expected(what)
        }
        try self.endWord(length, what)
    }

    /// Reads a word of this length, behind which another value cannot begin at once: `nullnull` and `01` are no values.
    private mutating func endWord(_ length: Int, _ what: String) throws(JSONError) {
        let end = self.offset + length
        if end < self.text.count {
            let byte = self.text[end]
            guard
                Self.isSpace(byte) || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]")
                    || byte == UInt8(ascii: "}")
            else { throw self.expected(what) }
        }
        self.offset = end
    }

    /// Reads a value of any kind with all that it holds, and checks that it is JSON.
    package mutating func skipValue(_ what: String = "a value") throws(JSONError) {
        let floor = self.depth
        repeat {
            if self.depth > floor {
                if self.objects & 1 == 1 {
                    guard try self.nextName() != nil else { continue }
                } else {
                    guard try self.nextElement() else { continue }
                }
            }
            switch self.kind() {
            case .object: try self.beginObject()
            case .array: try self.beginArray()
            case .string: _ = try self.string()
            case .number: _ = try self.number(what)
            case .bool: _ = try self.bool(what)
            case .null: _ = try self.skipNull()
            case nil: throw self.expected(what)
            }
        } while self.depth > floor
    }
}
