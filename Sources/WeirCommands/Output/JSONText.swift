// SPDX-License-Identifier: Apache-2.0

extension OutputBytes {
    /// A JSON string. Bytes that are not UTF-8 become U+FFFD.
    func append(jsonString bytes: UnsafeRawBufferPointer) {
        self.append(byte: UInt8(ascii: "\""))
        if Self.isPlain(bytes) {
            self.append(bytes)
        } else {
            for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars { self.append(jsonScalar: scalar) }
        }
        self.append(byte: UInt8(ascii: "\""))
    }

    func append(jsonString text: String) {
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
        default: self.append(text: String(scalar))
        }
    }

    func append(hex byte: UInt8) {
        let digits: StaticString = "0123456789abcdef"
        self.append(byte: digits.utf8Start[Int(byte >> 4)])
        self.append(byte: digits.utf8Start[Int(byte & 15)])
    }

    /// Milliseconds since 1970 as seconds with a fraction: the number that Kinesis gives for a time.
    func append(seconds millis: Int64) {
        if millis < 0 { self.append(byte: UInt8(ascii: "-")) }
        self.append(decimal: millis.magnitude / 1000)
        self.append(byte: UInt8(ascii: "."))
        self.append(decimal: millis.magnitude % 1000, digits: 3)
    }
}

/// A JSON object written member by member, for answers that are not in a hurry.
struct JSONObject {
    enum Value: Hashable, Sendable {
        case null
        case text(String)
        case integer(Int64)
        /// Rounded to so many digits behind the point.
        case real(Double, digits: Int)
        /// Milliseconds since 1970, written as seconds.
        case time(Int64)
        case texts([String])
        case bool(Bool)
    }

    private(set) var members: [(name: String, value: Value)] = []

    mutating func set(_ name: String, _ value: Value) {
        self.members.append((name, value))
    }

    mutating func set(_ name: String, _ text: String?) { self.set(name, text.map { .text($0) } ?? .null) }
    mutating func set(_ name: String, _ value: Int64?) { self.set(name, value.map { .integer($0) } ?? .null) }
    mutating func set(_ name: String, _ value: Int) { self.set(name, .integer(Int64(value))) }

    /// One line, with its end.
    func write(to output: OutputBytes) {
        output.append(byte: UInt8(ascii: "{"))
        for (position, member) in self.members.enumerated() {
            if position > 0 { output.append(byte: UInt8(ascii: ",")) }
            output.append(jsonString: member.name)
            output.append(byte: UInt8(ascii: ":"))
            Self.write(member.value, to: output)
        }
        output.append("}\n")
    }

    private static func write(_ value: Value, to output: OutputBytes) {
        switch value {
        case .null: output.append("null")
        case .text(let text): output.append(jsonString: text)
        case .integer(let value): output.append(decimal: value)
        case .real(let value, let digits): output.append(text: Self.fixed(value, digits))
        case .time(let millis): output.append(seconds: millis)
        case .bool(let value): output.append(value ? "true" : "false")
        case .texts(let texts):
            output.append(byte: UInt8(ascii: "["))
            for (position, text) in texts.enumerated() {
                if position > 0 { output.append(byte: UInt8(ascii: ",")) }
                output.append(jsonString: text)
            }
            output.append(byte: UInt8(ascii: "]"))
        }
    }

    /// With a fixed number of digits behind the point, 0 to 9; what is not a finite number of at most 15 digits is 0.
    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * Double(scale)).rounded()
        guard scaled.isFinite, scaled.magnitude < 1e15 else { return "0" }
        let (whole, part) = Int64(scaled.magnitude).quotientAndRemainder(dividingBy: scale)
        let sign = scaled < 0 ? "-" : ""
        return digits == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(String(String(scale + part).dropFirst()))"
    }
}
