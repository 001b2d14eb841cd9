// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Snippets")
struct SnippetTests {
    @Test("The snippets of the article are those of the program that is compiled")
    func snippets() throws {
        let article = try #require(Tree.repository.file("Sources/WeirKit/WeirKit.docc/GettingStarted.md"))
        let program = try #require(Tree.repository.file("Examples/getting-started/GettingStarted.swift"))
        let snippets = Self.swift(in: article.lines)
        #expect(snippets.count == 5)
        for snippet in snippets { #expect(program.text.contains(snippet), "\(snippet)") }
    }

    @Test("Snippets are found with all their lines")
    func finding() {
        let lines = ["a", "```swift", "b", "", "c", "```", "```", "d", "```", "```swift", "e", "```"]
        #expect(Self.swift(in: lines) == ["b\n\nc\n", "e\n"])
    }

    private static func swift(in lines: [String]) -> [String] {
        var found: [String] = []
        var snippet: String?
        for line in lines {
            if line == "```swift" {
                snippet = ""
            } else if line == "```" {
                if let whole = snippet { found.append(whole) }
                snippet = nil
            } else {
                snippet? += line + "\n"
            }
        }
        return found
    }
}
