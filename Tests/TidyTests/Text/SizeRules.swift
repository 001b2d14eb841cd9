// SPDX-License-Identifier: Apache-2.0

/// Files hold one thing, lines fit a screen, functions fit a head.
enum SizeRules {
    /// Of tests only the lines are counted.
    private static let modules = ["Sources", "Examples", "Tests/Support", "Tests/Tools"]

    static func findings(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        self.files(in: tree, ratchet) + self.lines(in: tree, ratchet) + self.functions(in: tree, ratchet)
    }

    private static func files(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        var findings: [Finding] = []
        var counts: [String: Int] = [:]
        for file in Self.modules.flatMap(tree.under) where file.isSource {
            // The part behind the last newline is no line.
            let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
            guard count > ratchet.fileLinesMax else { continue }
            counts[file.path] = count
            if !ratchet.longFiles.contains(where: { $0.path == file.path }) {
                findings.append(Finding(file.path, "\(count) lines; at most \(ratchet.fileLinesMax): divide it"))
            }
        }
        return findings + Ratchet.findings(counts, ratchet.longFiles, what: "lines")
    }

    private static func lines(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        var findings: [Finding] = []
        var counts: [String: Int] = [:]
        for file in tree.files where file.isSource {
            for (position, line) in file.lines.enumerated() where line.count > ratchet.lineCharactersMax {
                counts[file.path, default: 0] += 1
                if !ratchet.longLines.contains(where: { $0.path == file.path }) {
                    findings.append(
                        Finding(
                            file.path, line: position + 1,
                            "\(line.count) characters; at most \(ratchet.lineCharactersMax): break the line"))
                }
            }
        }
        return findings + Ratchet.findings(counts, ratchet.longLines, what: "long lines")
    }

    private static func functions(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        var findings: [Finding] = []
        var counts: [String: Int] = [:]
        for file in Self.modules.flatMap(tree.under) where file.isSwift {
            for function in FunctionBody.all(in: file) where function.lines > ratchet.functionLinesMax {
                counts[file.path] = max(counts[file.path] ?? 0, function.lines)
                if !ratchet.longFunctions.contains(where: { $0.path == file.path }) {
                    findings.append(
                        Finding(
                            file.path, line: function.line,
                            "a function of \(function.lines) lines; at most \(ratchet.functionLinesMax): divide it"))
                }
            }
        }
        return findings + Ratchet.findings(counts, ratchet.longFunctions, what: "lines in a function")
    }
}

/// A function, initializer or deinitializer with a body.
struct FunctionBody: Hashable {
    /// Where it is declared, from 1.
    let line: Int
    /// From the declaration to the closing brace.
    let lines: Int

    static func all(in file: Tree.File) -> [FunctionBody] {
        let code = file.masked.code
        return code.indices.compactMap { position in
            guard Self.declares(code[position]), let end = Self.end(in: code, from: position) else { return nil }
            return FunctionBody(line: position + 1, lines: end - position + 1)
        }
    }

    static func declares(_ line: String) -> Bool {
        if line.containsWord("func") { return true }
        guard line.containsWord("init") || line.containsWord("deinit") else { return false }
        // A call has something before it: `.init(`, `super.init(`, `= init(`.
        let words = line.split(whereSeparator: { " \t(<?{".contains($0) })
        return words.prefix { $0 != "init" && $0 != "deinit" }.allSatisfy {
            Self.modifiers.contains($0) || $0.hasPrefix("@")
        }
            && words.contains { $0 == "init" || $0 == "deinit" }
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "convenience", "required", "override", "nonisolated",
        "consuming", "isolated",
    ]

    /// The line of the closing brace; `nil` when there is no body.
    private static func end(in code: [String], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for position in start..<code.count {
            for character in code[position].utf8 {
                switch character {
                case UInt8(ascii: "("): parentheses += 1
                case UInt8(ascii: ")"): parentheses -= 1
                case UInt8(ascii: "{") where parentheses == 0 || braces > 0: braces += 1
                case UInt8(ascii: "}") where braces == 0: return nil
                case UInt8(ascii: "}"):
                    braces -= 1
                    if braces == 0 { return position }
                default: break
                }
            }
            // A requirement of a protocol: the next declaration begins before any brace was opened.
            if position > start, braces == 0, parentheses == 0,
                code[position].containsWord("func") || code[position].containsWord("var")
            {
                return nil
            }
        }
        return nil
    }
}
