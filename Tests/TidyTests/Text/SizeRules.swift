// SPDX-License-Identifier: Apache-2.0

/// Files hold one thing, lines fit a screen, functions fit a head.
enum SizeRules {
    static func findings(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        self.files(in: tree, ratchet) + self.lines(in: tree, ratchet) + self.functions(in: tree, ratchet)
    }

    private static func files(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        Ratchet.findings(in: tree.ofModules.filter(\.isSource), ratchet.longFiles, what: "lines", counted: max) {
            file in
            // The part behind the last newline is no line.
            let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
            guard count > ratchet.fileLinesMax else { return [] }
            return [.init(amount: count, message: "\(count) lines; at most \(ratchet.fileLinesMax): divide it")]
        }
    }

    private static func lines(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        Ratchet.findings(in: tree.files.filter(\.isSource), ratchet.longLines, what: "long lines", counted: +) { file in
            file.lines.enumerated().filter { $0.element.count > ratchet.lineCharactersMax }.map { position, line in
                .init(
                    line: position + 1, amount: 1,
                    message: "\(line.count) characters; at most \(ratchet.lineCharactersMax): break the line")
            }
        }
    }

    private static func functions(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        Ratchet.findings(
            in: tree.ofModules.filter(\.isSwift), ratchet.longFunctions, what: "lines in a function", counted: max
        ) { file in
            FunctionBody.all(in: file).filter { $0.lines > ratchet.functionLinesMax }.map { function in
                .init(
                    line: function.line, amount: function.lines,
                    message: "a function of \(function.lines) lines; at most \(ratchet.functionLinesMax): divide it")
            }
        }
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
