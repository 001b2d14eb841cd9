// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `docs/wire-protocol.md`, as far as tests read it: its hex blocks by name, and its tables by their header.
struct WireDocument {
    let vectors: [String: [UInt8]]
    let text: String
    private let lines: [Substring]

    init() throws {
        // Tests/WeirProtocolTests/Support/WireDocument.swift
        let root = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        self.text = try String(contentsOf: root.appendingPathComponent("docs/wire-protocol.md"), encoding: .utf8)
        self.lines = self.text.split(separator: "\n", omittingEmptySubsequences: false)
        self.vectors = try Self.vectors(self.lines)
    }

    struct Unreadable: Error {
        let line: Substring
    }

    /// The rows below the header that begins with `columns`; cells without blanks around and without backquotes.
    func table(_ columns: String...) -> [[String]] {
        let tables = self.lines.split { !$0.hasPrefix("|") }
        guard let table = tables.first(where: { Self.cells($0.first ?? "").starts(with: columns) }) else { return [] }
        return table.dropFirst(2).map(Self.cells)
    }

    private static func cells(_ row: Substring) -> [String] {
        row.split(separator: "|").map { $0.replacing("`", with: "").trimmingCharacters(in: .whitespaces) }
    }

    private static func vectors(_ lines: [Substring]) throws -> [String: [UInt8]] {
        var vectors: [String: [UInt8]] = [:]
        var name: String?
        for line in lines {
            if line.hasPrefix("```hex ") {
                name = String(line.dropFirst(7))
                if let name { vectors[name] = [] }
            } else if line.hasPrefix("```") {
                name = nil
            } else if let name {
                let digits = line.prefix { $0 != "#" }.split(separator: " ")
                let bytes = digits.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
                guard bytes.count == digits.count else { throw Unreadable(line: line) }
                vectors[name, default: []] += bytes
            }
        }
        return vectors
    }
}
