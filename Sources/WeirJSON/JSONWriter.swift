// SPDX-License-Identifier: Apache-2.0

/// Writes JSON value by value, with the commas and colons between them.
///
/// Who calls it writes a name before each value of an object, and ends what it begins.
package struct JSONWriter {
    package let output: OutputBytes
    private var depth = 0
    /// One bit for each open container, the innermost lowest: whether something is in it already.
    private var filled: UInt64 = 0
    private var isNamed = false

    package init(_ output: OutputBytes) {
        self.output = output
    }

    /// A comma, unless the value is the first one or has a name before it.
    private mutating func beginValue() {
        if self.isNamed {
            self.isNamed = false
        } else if self.depth > 0 {
            if self.filled & 1 == 1 { self.output.append(byte: UInt8(ascii: ",")) }
            self.filled |= 1
        }
    }

    private mutating func open(_ bracket: Unicode.Scalar) {
        precondition(self.depth < JSONScanner.depthMax, "JSON that no scanner reads: it is nested too deeply")
        self.beginValue()
        self.depth += 1
        self.filled <<= 1
        self.output.append(byte: UInt8(ascii: bracket))
    }

    private mutating func close(_ bracket: Unicode.Scalar) {
        precondition(self.depth > 0 && !self.isNamed, "nothing is open, or a name has no value")
        self.depth -= 1
        self.filled >>= 1
        self.output.append(byte: UInt8(ascii: bracket))
    }

    package mutating func beginObject() { self.open("{") }
    package mutating func endObject() { self.close("}") }
    package mutating func beginArray() { self.open("[") }
    package mutating func endArray() { self.close("]") }

    package mutating func name(_ name: String) {
        precondition(self.depth > 0 && !self.isNamed, "a name stands in an object, before a value")
        self.beginValue()
        self.output.append(jsonString: name)
        self.output.append(byte: UInt8(ascii: ":"))
        self.isNamed = true
    }

    package mutating func null() {
        self.beginValue()
        self.output.append("null")
    }

    package mutating func bool(_ value: Bool) {
        self.beginValue()
        self.output.append(value ? "true" : "false")
    }

    package mutating func integer(_ value: Int64) {
        self.beginValue()
        self.output.append(decimal: value)
    }

    package mutating func integer(_ value: UInt64) {
        self.beginValue()
        self.output.append(decimal: value)
    }

    /// Rounded to so many digits behind the point, 0 to 9; what is not a finite number of at most 15 digits is 0.
    package mutating func real(_ value: Double, digits: Int) {
        self.beginValue()
        self.output.append(text: JSONNumber.fixed(value, digits))
    }

    /// Milliseconds since 1970 as seconds with a fraction: the number that Kinesis gives for a time.
    package mutating func seconds(millis: Int64) {
        self.beginValue()
        self.output.append(seconds: millis)
    }

    package mutating func string(_ text: String) {
        self.beginValue()
        self.output.append(jsonString: text)
    }

    /// Bytes that are not UTF-8 become U+FFFD.
    package mutating func string(_ bytes: UnsafeRawBufferPointer) {
        self.beginValue()
        self.output.append(jsonString: bytes)
    }

    package mutating func base64(_ data: UnsafeRawBufferPointer) {
        self.beginValue()
        self.output.append(byte: UInt8(ascii: "\""))
        Base64.append(data, to: self.output)
        self.output.append(byte: UInt8(ascii: "\""))
    }

    /// A value, or members of the open object, that `write` appends; at least one.
    package mutating func raw(_ write: (OutputBytes) -> Void) {
        self.beginValue()
        write(self.output)
    }
}

extension OutputBytes {
    /// A JSON string. Bytes that are not UTF-8 become U+FFFD.
    package func append(jsonString bytes: UnsafeRawBufferPointer) {
        self.append(byte: UInt8(ascii: "\""))
        if Self.isPlain(bytes) {
            self.append(bytes)
        } else {
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars { self.append(jsonScalar: scalar) }
        }
        self.append(byte: UInt8(ascii: "\""))
    }

    package func append(jsonString text: String) {
        var text = text
        text.withUTF8 { self.append(jsonString: UnsafeRawBufferPointer($0)) }
    }

    /// Whether all is ASCII that stands for itself in a JSON string.
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte < 0x20 || byte >= 0x7f || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
        {
            return false
        }
        return true
    }

    private func append(jsonScalar scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": self.append("\\\"")
        case "\\": self.append("\\\\")
        case "\n": self.append("\\n")
        case "\r": self.append("\\r")
        case "\t": self.append("\\t")
        case _ where scalar.value < 0x20 || scalar.value == 0x7f:
            self.append("\\u00")
            self.append(hex: UInt8(scalar.value))
        default: self.append(scalar: scalar)
        }
    }

    package func append(hex byte: UInt8) {
        let digits: StaticString = "0123456789abcdef"
        self.append(byte: digits.utf8Start[Int(byte >> 4)])
        self.append(byte: digits.utf8Start[Int(byte & 15)])
    }

    /// Milliseconds since 1970 as seconds with a fraction: the number that Kinesis gives for a time.
    package func append(seconds millis: Int64) {
        if millis < 0 { self.append(byte: UInt8(ascii: "-")) }
        self.append(decimal: millis.magnitude / 1000)
        self.append(byte: UInt8(ascii: "."))
        self.append(decimal: millis.magnitude % 1000, digits: 3)
    }
}
