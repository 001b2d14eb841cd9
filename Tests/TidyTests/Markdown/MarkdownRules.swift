// SPDX-License-Identifier: Apache-2.0

/// Every page has one title, and its links lead somewhere.
enum MarkdownRules {
    static func findings(in tree: Tree) -> [Finding] {
        tree.files.filter(\.isMarkdown).flatMap { self.titles(of: $0) + self.links(of: $0, tree) }
    }

    static func titles(of file: Tree.File) -> [Finding] {
        let titles = Page(file).headings.filter { $0.level == 1 }
        if titles.count == 1 { return [] }
        return [
            Finding(
                file.path, line: titles.last?.line ?? 1, "\(titles.count) headings of the first level; a page has one")
        ]
    }

    static func links(of file: Tree.File, _ tree: Tree) -> [Finding] {
        Page(file).links.compactMap { link in
            if link.target.contains("://") || link.target.hasPrefix("mailto:") { return nil }
            let parts = link.target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            let path = parts[0].isEmpty ? file.path : Self.resolve(parts[0], from: file.path)
            guard let path, tree.paths.contains(path) else {
                return Finding(file.path, line: link.line, "the link '\(link.target)' leads nowhere")
            }
            guard parts.count == 2, let page = tree.file(path), page.isMarkdown else { return nil }
            if Page(page).anchors.contains(parts[1]) { return nil }
            return Finding(
                file.path, line: link.line, "the link '\(link.target)' names a heading that '\(path)' does not have")
        }
    }

    /// The path of `target` from the root; `nil` when it leaves the repository.
    static func resolve(_ target: String, from path: String) -> String? {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in target.split(separator: "/") where part != "." {
            if part == ".." {
                guard parts.popLast() != nil else { return nil }
            } else {
                parts.append(String(part))
            }
        }
        return parts.joined(separator: "/")
    }
}

/// Headings and links of a page, code blocks left out.
struct Page {
    struct Heading {
        let level: Int
        let text: String
        let line: Int
    }

    struct Link {
        let target: String
        let line: Int
    }

    private(set) var headings: [Heading] = []
    private(set) var links: [Link] = []

    init(_ file: Tree.File) {
        var fence: Substring?
        for (position, line) in file.lines.enumerated() {
            let text = line.drop { $0 == " " }
            if let open = fence {
                if text.hasPrefix(open) { fence = nil }
                continue
            }
            if text.hasPrefix("```") || text.hasPrefix("~~~") {
                fence = text.prefix(3)
                continue
            }
            let level = line.prefix { $0 == "#" }.count
            if (1...6).contains(level), line.dropFirst(level).hasPrefix(" ") {
                self.headings.append(Heading(level: level, text: String(line.dropFirst(level + 1)), line: position + 1))
            }
            for target in Self.targets(in: line) { self.links.append(Link(target: target, line: position + 1)) }
        }
    }

    /// What `[text](target)` links to; what stands between backticks is no link.
    private static func targets(in line: String) -> [String] {
        let text = line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset % 2 == 0 ? String($0.element) : "code" }.joined()
        return text.split(separator: "](", omittingEmptySubsequences: false).dropFirst().map { rest in
            String(rest.prefix { $0 != ")" && $0 != " " })
        }
    }

    /// The anchors that the headings make: lower case, without punctuation, blanks as hyphens.
    var anchors: Set<String> {
        var anchors: Set<String> = []
        for heading in self.headings {
            let plain = heading.text.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
            var anchor = plain.replacing(" ", with: "-")
            var number = 0
            while !anchors.insert(anchor).inserted {
                number += 1
                anchor = plain.replacing(" ", with: "-") + "-\(number)"
            }
        }
        return anchors
    }
}
