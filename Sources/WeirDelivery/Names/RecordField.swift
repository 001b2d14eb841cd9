// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// A value in the JSON object that a record's data is: names with a dot before each, such as `.request.method`.
package struct RecordField: Hashable, Sendable {
    package static let namesMax = 8
    package static let bytesMax = 128

    private let names: [String]

    /// Throws `invalidArgument` with what is allowed.
    package init(_ text: String) throws(WeirError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let names = parts.dropFirst()
        guard parts.first == "", !names.isEmpty, names.count <= Self.namesMax, text.utf8.count <= Self.bytesMax,
            names.allSatisfy({ !$0.isEmpty })
        else {
            throw WeirError(
                .invalidArgument,
                "'\(text.prefix(100))' is no field: .name or .name.inner is allowed, with at most "
                    + "\(Self.namesMax) names and \(Self.bytesMax) bytes")
        }
        self.names = Array(names)
    }

    /// As it was given.
    package var text: String { self.names.map { "." + $0 }.joined() }

    package enum Value: Hashable, Sendable {
        case text(String)
        /// As it is written.
        case number(String)
    }

    /// `nil`: the data is no JSON object, or has no text, number, true or false there. Of names that come twice the
    /// first counts. What stands behind the value is not looked at.
    package func value(in data: UnsafeRawBufferPointer) -> Value? {
        guard var scanner = try? JSONScanner(data) else { return nil }
        do throws(JSONError) {
            for name in self.names {
                guard scanner.kind() == .object else { return nil }
                try scanner.beginObject()
                guard try Self.find(name, &scanner) else { return nil }
            }
            switch scanner.kind() {
            case .string: return .text(try scanner.string().text)
            case .number: return .number(try scanner.number().text)
            case .bool: return .text(try scanner.bool() ? "true" : "false")
            default: return nil
            }
        } catch {
            return nil
        }
    }

    private static func find(_ name: String, _ scanner: inout JSONScanner) throws(JSONError) -> Bool {
        while let next = try scanner.nextName() {
            if next.text == name { return true }
            try scanner.skipValue()
        }
        return false
    }
}

/// When something happened, by a field of the record.
package struct EventTime: Hashable, Sendable {
    package enum Form: String, Hashable, Sendable, CaseIterable {
        case rfc3339
        case seconds
        case milliseconds
        case microseconds

        /// Units in a second.
        fileprivate var perSecond: Double {
            switch self {
            case .rfc3339, .seconds: 1
            case .milliseconds: 1e3
            case .microseconds: 1e6
            }
        }
    }

    package let field: String
    package let form: Form
    private let path: RecordField

    package init(_ field: String, _ form: Form) throws(WeirError) {
        self.path = try RecordField(field)
        self.field = field
        self.form = form
    }

    /// The year 9999 ends there.
    private static let millisEnd: Int64 = 253_402_300_800_000

    /// In milliseconds since 1970, up to the year 9999; `nil`: there is no such time in the record.
    package func millis(of data: UnsafeRawBufferPointer) -> Int64? {
        let millis: Int64?
        switch self.path.value(in: data) {
        case .text(let text) where self.form == .rfc3339: millis = RFC3339.millis(text)
        case .number(let text) where self.form != .rfc3339, .text(let text) where self.form != .rfc3339:
            millis = Double(text).flatMap { Int64(exactly: ($0 / self.form.perSecond * 1000).rounded(.down)) }
        default: millis = nil
        }
        guard let millis, (0..<Self.millisEnd).contains(millis) else { return nil }
        return millis
    }
}
