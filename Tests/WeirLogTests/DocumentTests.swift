// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import WeirLog

/// docs/data-folder.md says of every form what the golden bytes hold: the same fields, as wide, in the same places.
@Suite struct DocumentTests {
    struct Field: Hashable, CustomStringConvertible {
        let offset: Int
        let bytes: Int
        let name: String
        var description: String { "\(self.offset) \(self.name), \(self.bytes) bytes" }
    }

    /// A table of the document, the golden file that shows its bytes, and where in it they begin.
    struct Form: CustomTestStringConvertible, Sendable {
        let heading: String
        /// What the head of the table names the fields.
        let column: String
        let golden: Golden
        let label: String
        var testDescription: String { "\(self.heading), \(self.column)" }
    }

    static let forms: [Form] = [
        Form(heading: "### Header", column: "Field", golden: .segmentHeader, label: "magic"),
        Form(heading: "### Commit", column: "Field", golden: .commit, label: "magic"),
        Form(heading: "### Batch", column: "Placement", golden: .commit, label: "placement: magic"),
        Form(heading: "### Footer and trailer", column: "Field", golden: .trailer, label: "magic"),
        Form(heading: "## Snapshots", column: "Field", golden: .snapshot, label: "magic"),
    ]

    private static let widths = ["u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "u128": 16]

    private static var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    /// Rows `| offset | type name | ...` with a number and a type of fixed width, up to the end of the table.
    private static func documented(_ form: Form) throws -> [Field] {
        let text = try String(contentsOf: root.appendingPathComponent("docs/data-folder.md"), encoding: .utf8)
        var isInside = false
        var isTable = false
        var fields: [Field] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("#") { isInside = line == form.heading }
            guard isInside else { continue }
            guard line.hasPrefix("|") else {
                if isTable { break }
                continue
            }
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count >= 2 else { continue }
            if cells[0] == "Offset" { isTable = cells[1] == form.column }
            guard isTable, let offset = Int(cells[0]) else { continue }
            let words = cells[1].split(separator: " ", maxSplits: 1)
            // Lists behind their count have the width of the count.
            guard words.count == 2, let bytes = widths[String(words[0])] else { continue }
            let name = words[1].split(separator: ",")[0]
            fields.append(Field(offset: offset, bytes: bytes, name: String(name)))
        }
        return fields
    }

    /// The lines of a golden file from the one with the label on, with the offset at which each begins.
    private static func golden(_ form: Form) throws -> [Field] {
        var fields: [Field] = []
        var offset: Int?
        for (label, bytes) in try form.golden.fields() {
            if label == form.label { offset = 0 }
            guard let at = offset else { continue }
            let name = label == form.label ? "magic" : String(label.prefix { $0 != "," })
            fields.append(Field(offset: at, bytes: bytes.count, name: name))
            offset = at + bytes.count
        }
        return fields
    }

    @Test(arguments: forms) func everyFieldOfTheTableStandsWhereTheBytesHaveIt(_ form: Form) throws {
        let documented = try Self.documented(form)
        let golden = try Self.golden(form)
        #expect(documented.count >= 7, "the table was not found")
        for field in documented { #expect(golden.contains(field), "\(field) is not in \(form.golden)") }
    }

    /// Between two documented fields nothing lies that the table leaves out.
    @Test(arguments: forms) func theTableLeavesNothingOut(_ form: Form) throws {
        let documented = try Self.documented(form)
        let end = try #require(documented.last?.offset)
        for field in try Self.golden(form) where field.offset <= end && !field.name.hasPrefix("zeros") {
            #expect(documented.contains(field), "\(field) of \(form.golden) is not in the document")
        }
    }
}
