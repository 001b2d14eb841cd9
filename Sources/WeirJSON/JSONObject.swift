// SPDX-License-Identifier: Apache-2.0

/// A JSON object written member by member, for answers that are not in a hurry.
package struct JSONObject: Sendable {
    package enum Value: Hashable, Sendable {
        case null
        case text(String)
        case integer(Int64)
        /// Rounded to so many digits behind the point.
        case real(Double, digits: Int)
        /// Milliseconds since 1970, written as seconds.
        case time(Int64)
        case texts([String])
        case bool(Bool)
        /// Text that is JSON already.
        case json(String)
    }

    package private(set) var members: [(name: String, value: Value)] = []

    package init() {}

    package mutating func set(_ name: String, _ value: Value) {
        self.members.append((name, value))
    }

    package mutating func set(_ name: String, _ text: String?) { self.set(name, text.map { .text($0) } ?? .null) }
    package mutating func set(_ name: String, _ value: Int64?) { self.set(name, value.map { .integer($0) } ?? .null) }
    package mutating func set(_ name: String, _ value: Int) { self.set(name, .integer(Int64(value))) }

    /// One line, with its end.
    package func write(to output: OutputBytes) {
        var writer = JSONWriter(output)
        self.write(to: &writer)
        output.append(byte: UInt8(ascii: "\n"))
    }

    /// Without the end of a line.
    package var text: String {
        let output = OutputBytes()
        var writer = JSONWriter(output)
        self.write(to: &writer)
        return String(decoding: output.raw, as: UTF8.self)
    }

    private func write(to writer: inout JSONWriter) {
        writer.beginObject()
        for (name, value) in self.members {
            writer.name(name)
            Self.write(value, &writer)
        }
        writer.endObject()
    }

    private static func write(_ value: Value, _ writer: inout JSONWriter) {
        switch value {
        case .null: writer.null()
        case .text(let text): writer.string(text)
        case .integer(let value): writer.integer(value)
        case .real(let value, let digits): writer.real(value, digits: digits)
        case .time(let millis): writer.seconds(millis: millis)
        case .bool(let value): writer.bool(value)
        case .json(let text): writer.raw { $0.append(text: text) }
        case .texts(let texts):
            writer.beginArray()
            for text in texts { writer.string(text) }
            writer.endArray()
        }
    }
}
