// SPDX-License-Identifier: Apache-2.0

/// A type sees little, and a call says what its arguments are.
enum TypeRules {
    static func findings(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        self.properties(in: tree, ratchet) + self.labels(in: tree, ratchet)
    }

    private static func properties(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        Ratchet.findings(
            in: tree.ofModules.filter(\.isSwift), ratchet.wideTypes, what: "stored properties", counted: max
        ) { file in
            TypeBody.all(in: file).filter { $0.storedProperties > ratchet.storedPropertiesMax }.map { type in
                .init(
                    line: type.line, amount: type.storedProperties,
                    message: "\(type.name) has \(type.storedProperties) stored properties; at most "
                        + "\(ratchet.storedPropertiesMax): divide it")
            }
        }
    }

    private static func labels(in tree: Tree, _ ratchet: Ratchet) -> [Finding] {
        Ratchet.findings(
            in: tree.ofModules.filter(\.isSwift), ratchet.bareCalls, what: "functions with too few labels", counted: +
        ) { file in
            Self.bareParameters(in: file).filter { $0.bare > ratchet.bareParametersMax }.map { line, bare in
                .init(
                    line: line, amount: 1,
                    message: "\(bare) parameters without a label; at most \(ratchet.bareParametersMax): name them")
            }
        }
    }

    /// Of each function and initializer: its line, and how many of its parameters have no label.
    private static func bareParameters(in file: Tree.File) -> [(line: Int, bare: Int)] {
        var found: [(line: Int, bare: Int)] = []
        for (position, line) in file.masked.code.enumerated() where FunctionBody.declares(line) {
            let text = file.masked.code[position...].prefix(40).joined(separator: "\n")
            guard let name = text.firstRange(of: "func ") ?? text.firstRange(of: "init"),
                let open = text[name.upperBound...].firstIndex(of: "(")
            else { continue }
            var (depth, bare, begins) = (0, 0, true)
            for index in text[open...].indices {
                let character = text[index]
                if depth == 1, begins, !character.isWhitespace {
                    if text[index...].hasPrefix("_ ") { bare += 1 }
                    begins = false
                }
                if "([{<".contains(character) { depth += 1 }
                // An arrow closes nothing.
                if ")]}".contains(character) || (character == ">" && text[text.index(before: index)] != "-") {
                    depth -= 1
                }
                if depth == 0 { break }
                if depth == 1, character == "," { begins = true }
            }
            found.append((position + 1, bare))
        }
        return found
    }
}

/// A struct, class or actor with its body.
struct TypeBody: Hashable {
    /// Where it is declared, from 1.
    let line: Int
    let name: String
    /// Those of each value: neither static nor computed.
    var storedProperties = 0

    static func all(in file: Tree.File) -> [TypeBody] {
        var scanner = Scanner()
        for line in file.masked.code { scanner.read(line) }
        return scanner.types
    }

    private struct Scanner {
        private enum Scope {
            case type(Int)
            case other
        }

        var types: [TypeBody] = []
        private var scopes: [Scope] = []
        private var parentheses = 0
        private var line = 0
        /// A type whose brace has not opened yet.
        private var declared: Int?
        /// A property of this type that is stored unless a brace follows before anything else.
        private var open: Int?
        /// The line before ended between a name and its type.
        private var lacksItsType = false
        /// The brace of such a property has just opened: an observer makes it stored after all.
        private var observed: Int?

        mutating func read(_ text: String) {
            self.line += 1
            let words = text.split(whereSeparator: { !$0.isLetter && !$0.isNumber && !"_@\"".contains($0) })
            if self.parentheses == 0 {
                if let type = self.observed, let first = words.first {
                    if first == "didSet" || first == "willSet" { self.types[type].storedProperties += 1 }
                    self.observed = nil
                }
                // A property ends with its line, unless the next one goes on with a brace.
                let begins = text.first { $0 != " " }
                if let type = self.open, let begins, begins != "{", !self.lacksItsType {
                    self.types[type].storedProperties += 1
                    self.open = nil
                }
                self.lacksItsType = text.last == ":"
                self.declare(words, in: text)
            }
            for character in text.utf8 { self.read(character) }
            if let type = self.open, text.last == "=" || text.contains(" = ") || words.contains("let") {
                self.types[type].storedProperties += 1
                self.open = nil
            }
        }

        private mutating func declare(_ words: [Substring], in text: String) {
            let rest = words.drop { TypeBody.modifiers.contains($0) || $0.hasPrefix("@") || $0.first?.isNumber == true }
            guard let keyword = rest.first else { return }
            let isStatic = words.prefix(words.count - rest.count).contains("static")
            switch keyword {
            case "struct", "class", "actor":
                guard let name = rest.dropFirst().first, !["func", "var", "let"].contains(name) else { return }
                self.types.append(TypeBody(line: self.line, name: String(name)))
                self.declared = self.types.count - 1
            case "let", "var":
                guard case .type(let type) = self.scopes.last, !isStatic else { return }
                self.open = type
                // `var a, b: Int` and `var (a, b) = (1, 2)` are two.
                let names = text.prefix { $0 != ":" && $0 != "=" && $0 != "{" }
                self.types[type].storedProperties += names.count { $0 == "," }
            default: break
            }
        }

        private mutating func read(_ character: UInt8) {
            switch character {
            case UInt8(ascii: "("), UInt8(ascii: "["): self.parentheses += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): self.parentheses -= 1
            case UInt8(ascii: "="):
                // A default value: what braces hold behind it is no getter.
                if let type = self.open, self.parentheses == 0 {
                    self.types[type].storedProperties += 1
                    self.open = nil
                }
            case UInt8(ascii: "{"):
                if self.parentheses == 0, let type = self.open {
                    (self.open, self.observed) = (nil, type)
                    self.scopes.append(.other)
                } else if self.parentheses == 0, let type = self.declared {
                    self.declared = nil
                    self.scopes.append(.type(type))
                } else {
                    self.scopes.append(.other)
                }
            case UInt8(ascii: "}"): _ = self.scopes.popLast()
            default: break
            }
        }
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "fileprivate", "private", "final", "open", "static", "lazy", "weak",
        "unowned", "nonisolated", "unsafe", "indirect", "override", "set", "exclusivity", "unchecked", "isolated",
        "mutating", "dynamic", "convenience", "required", "borrowing", "consuming",
    ]
}
