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
        self.text = file.masked.codeAndStrings.joined(separator: "\n")
        self.targets = Self.elements(of: "targets:", in: self.text).compactMap(Self.target)
    }

    private static func target(_ text: String) -> Target? {
        let head = text.prefix { $0 != "(" }.drop { $0 == "." }
        guard let kind = Target.Kind(rawValue: String(head)), let name = Self.argument("name:", in: text) else {
            return nil
        }
        var targets: [String] = []
        var products: [String] = []
        for dependency in Self.elements(of: "dependencies:", in: text) {
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
        guard let range = text.range(ofText: label) else { return nil }
        let rest = text[range.upperBound...].drop { $0 == " " || $0 == "\n" }
        guard rest.first == "\"" else { return nil }
        return String(rest.dropFirst().prefix { $0 != "\"" })
    }

    /// The elements of the array behind the last `label` that begins a line or follows a comma, without blanks around them.
    private static func elements(of label: String, in text: String) -> [String] {
        // The targets stand behind everything else, the dependencies of a target before what it is built with.
        guard let range = label == "targets:" ? text.lastRange(ofText: "    targets:") : text.range(ofText: label)
        else {
            return []
        }
        let rest = text[range.upperBound...].drop { $0 == " " || $0 == "\n" }
        guard rest.first == "[" else { return [] }
        var elements: [String] = []
        var element = ""
        var depth = 0
        var inString = false
        for character in rest {
            if character == "\"" { inString.toggle() }
            if !inString {
                if character == ")" || character == "]" { depth -= 1 }
                if depth == 0, character == "]" { break }
                if character == "(" || character == "[" {
                    depth += 1
                    if depth == 1 { continue }
                }
                if depth == 1, character == "," {
                    elements.append(element)
                    element = ""
                    continue
                }
            }
            element.append(character)
        }
        elements.append(element)
        return elements.map { $0.trimmed }.filter { !$0.isEmpty }
    }
}

extension String {
    fileprivate var trimmed: String {
        let start = self.drop { $0 == " " || $0 == "\n" }
        return String(start.reversed().drop { $0 == " " || $0 == "\n" }.reversed())
    }

    fileprivate func range(ofText text: String) -> Range<String.Index>? { self.ranges(of: text).first }
    fileprivate func lastRange(ofText text: String) -> Range<String.Index>? { self.ranges(of: text).last }
}
