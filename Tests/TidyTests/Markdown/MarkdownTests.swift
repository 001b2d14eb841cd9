// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Pages")
struct MarkdownTests {
    private func findings(_ pages: [String: String]) -> [Finding] {
        MarkdownRules.findings(in: Tree(pages.map { Tree.File($0.key, $0.value) }))
    }

    @Test("Every page of the repository has one title, and its links lead somewhere")
    func repository() { expectNone(MarkdownRules.findings(in: .repository)) }

    @Test("A page without a title, or with two, is refused; what stands in a code block is no title")
    func titles() {
        expectNone(self.findings(["a.md": "# A\n\n## B\n\n```\n# no title\n```"]))
        expectBites(self.findings(["a.md": "Text\n\n## B"]), at: ["a.md:1"], saying: "0 headings")
        expectBites(self.findings(["a.md": "# A\n\n# B"]), at: ["a.md:3"], saying: "2 headings")
    }

    @Test(
        "A link that leads somewhere passes",
        arguments: [
            "b.md", "./b.md", "docs/c.md", "docs", "#some-words", "docs/c.md#d-e", "https://example.org/x", "Sources",
        ])
    func good(target: String) {
        let pages = [
            "a.md": "# Some words\n[x](\(target))", "b.md": "# B", "docs/c.md": "# C\n## `d`, e!\n[up](../a.md)",
            "Sources/A.swift": "",
        ]
        expectNone(self.findings(pages))
    }

    @Test(
        "A link that leads nowhere is refused",
        arguments: [
            ("c.md", "leads nowhere"), ("../b.md", "leads nowhere"), ("#words", "heading"), ("b.md#c", "heading"),
        ])
    func bad(target: String, words: String) {
        let pages = ["a.md": "# A\n`[x](y)` and [x](\(target)) so", "b.md": "# B"]
        expectBites(self.findings(pages), at: ["a.md:2"], saying: words)
    }
}
