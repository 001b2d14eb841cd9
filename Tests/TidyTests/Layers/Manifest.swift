// SPDX-License-Identifier: Apache-2.0

/// The targets of a Package.swift, read from its text: the tests do not start another `swift` from inside `swift test`.
struct Manifest {
    struct Target {
        enum Kind: String {
            case target
            case executableTarget
            case testTarget
        }

        let kind: Kind
        let name: String
        /// Targets of this package that it depends on.
        let targets: [String]
        /// Products of other packages.
        let products: [String]
        /// The whole declaration.
        let text: String
    }

    let targets: [Target]
    /// The file without its comments.
    let text: String

    static let path = "Package.swift"

    init(_ file: Tree.File) {
        let text = file.masked.codeAndStrings.joined(separator: "\n")
        self.text = text
        self.targets = Self.elements(of: "    targets:", in: text).compactMap { Self.target($0, in: text) }
    }

    private static func target(_ text: String, in manifest: String) -> Target? {
        let head = text.prefix { $0 != "(" }.drop { $0 == "." }
        guard let kind = Target.Kind(rawValue: String(head)), let name = Self.argument("name:", in: text) else {
            return nil
        }
        var targets: [String] = []
        var products: [String] = []
        for dependency in Self.elements(of: "dependencies:", in: text, constantsOf: manifest) {
            if dependency.hasPrefix("\"") {
                targets.append(String(dependency.dropFirst().prefix { $0 != "\"" }))
            } else if let name = Self.argument("name:", in: dependency) {
                if dependency.hasPrefix(".product") { products.append(name) } else { targets.append(name) }
            }
        }
        return Target(kind: kind, name: name, targets: targets, products: products, text: text)
    }

    /// The string literal behind the first `label` in the text.
    private static func argument(_ label: String, in text: String) -> String? {
        guard let range = text.firstRange(of: label) else { return nil }
        let rest = text[range.upperBound...].drop { $0 == " " || $0 == "\n" }
        guard rest.first == "\"" else { return nil }
        return String(rest.dropFirst().prefix { $0 != "\"" })
    }

    /// The elements of the arrays behind the first `label`, without blanks around them. `[a, b] + c` is two arrays:
    /// what is only named is looked up among the constants of the manifest.
    private static func elements(of label: String, in text: String, constantsOf manifest: String = "") -> [String] {
        guard let range = text.firstRange(of: label) else { return [] }
        return self.divide(text[range.upperBound...], manifest)
    }

    /// Divides an expression up to the comma or parenthesis that ends it.
    private static func divide(_ expression: Substring, _ manifest: String) -> [String] {
        var elements = [""]
        var (calls, inArray, inString) = (0, false, false)
        for character in expression {
            if character == "\"" { inString.toggle() }
            if inString || calls > 0 || !"()[],+".contains(character) {
                elements[elements.count - 1].append(character)
                if !inString, character == "(" || character == "[" { calls += 1 }
                if !inString, character == ")" || character == "]" { calls -= 1 }
                continue
            }
            if character == ")" || (character == "," && !inArray) { break }
            switch character {
            case "(":
                elements[elements.count - 1].append(character)
                calls = 1
                continue
            case "[": inArray = true
            case "]": inArray = false
            default: break
            }
            elements.append("")
        }
        return elements.map { $0.trimmed }.filter { !$0.isEmpty }.flatMap { self.meaning(of: $0, manifest) }
    }

    /// What a constant stands for; the element itself when it is none.
    private static func meaning(of element: String, _ manifest: String) -> [String] {
        guard element.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else { return [element] }
        for start in ["\nlet \(element) =", "\nlet \(element):"] {
            guard let range = manifest.firstRange(of: start) else { continue }
            let rest = manifest[range.lowerBound...].dropFirst()
            guard let equals = rest.firstIndex(of: "=") else { continue }
            let end = rest.firstRange(of: "\nlet ")?.lowerBound ?? rest.endIndex
            return equals < end ? self.divide(rest[rest.index(after: equals)..<end], manifest) : [element]
        }
        return [element]
    }
}

extension String {
    fileprivate var trimmed: String {
        let start = self.drop { $0 == " " || $0 == "\n" }
        return String(start.reversed().drop { $0 == " " || $0 == "\n" }.reversed())
    }
}
