// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `docs/wire-protocol.md`, for tests that show that what it says is so: they name the sentence and play it.
struct WirePage {
    private let text: String
    private let lines: [Substring]

    init() throws {
        // Tests/WeirServerTests/Wire/WirePage.swift
        let root = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let page = try String(contentsOf: root.appendingPathComponent("docs/wire-protocol.md"), encoding: .utf8)
        self.text = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        self.lines = page.split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The page has these words, however its lines are broken.
    func says(_ words: String, _ location: SourceLocation = #_sourceLocation) {
        #expect(self.text.contains(words), "the page does not say: \(words)", sourceLocation: location)
    }

    /// The names in backquotes of the first column, below the header that begins so.
    func names(inColumn header: String) -> Set<String> {
        let tables = self.lines.split { !$0.hasPrefix("|") }
        guard let table = tables.first(where: { $0.first?.hasPrefix("| \(header) |") == true }) else { return [] }
        return Set(
            table.dropFirst(2).flatMap { row in
                row.split(separator: "|")[0].split(separator: "`", omittingEmptySubsequences: false).enumerated()
                    .filter { $0.offset % 2 == 1 }.map { String($0.element) }
            })
    }
}
