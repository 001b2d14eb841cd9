// SPDX-License-Identifier: Apache-2.0

/// An import line of a Swift file.
struct ImportLine: Hashable {
    /// The module, without what is taken from it.
    let module: String
    /// Such as `@testable`, `package`.
    let modifiers: [String]
    let line: Int

    private static let kinds: Set<String> = [
        "struct", "class", "enum", "protocol", "typealias", "func", "let", "var", "actor",
    ]

    static func all(in file: Tree.File) -> [ImportLine] {
        var found: [ImportLine] = []
        for (position, line) in file.masked.code.enumerated() where line.containsWord("import") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ";" }).map(String.init)
            guard let start = words.firstIndex(of: "import"), start + 1 < words.count else { continue }
            // Before the word stand only attributes and access levels, or it is no import.
            let modifiers = Array(words[..<start])
            guard modifiers.allSatisfy({ $0.hasPrefix("@") || Self.access.contains($0) }) else { continue }
            var name = words[start + 1]
            if Self.kinds.contains(name), start + 2 < words.count { name = words[start + 2] }
            let module = name.split(separator: ".").first.map(String.init) ?? name
            found.append(ImportLine(module: module, modifiers: modifiers, line: position + 1))
        }
        return found
    }

    private static let access: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
}

/// Imports point downwards, as the table says, and no further.
enum ImportRule {
    static func findings(in tree: Tree, _ table: LayerTable) -> [Finding] {
        var findings: [Finding] = []
        var present: Set<String> = []
        for home in table.homes {
            for file in tree.under(home) where file.isSource {
                let parts = file.path.dropFirst(home.count + 1).split(separator: "/").map(String.init)
                guard parts.count >= 2 else {
                    findings.append(Finding(file.path, "a source file lies in the folder of its module"))
                    continue
                }
                let name = parts[0]
                guard let module = table.module(name), module.home == home else {
                    if present.insert(name).inserted {
                        findings.append(Finding("\(home)/\(name)", "the module has no row in \(LayerTable.path)"))
                    }
                    continue
                }
                if present.insert(name).inserted, table.absent.contains(name) {
                    findings.append(
                        Finding("\(home)/\(name)", "the module is there: take it from 'absent' in \(LayerTable.path)"))
                }
                if file.isSwift { findings += Self.findings(in: file, of: module, table) }
            }
        }
        for module in table.modules where !present.contains(module.name) && !table.absent.contains(module.name) {
            findings.append(
                Finding(
                    module.path,
                    "\(LayerTable.path) knows the module, but it has no code: name it in 'absent'"))
        }
        return findings
    }

    private static func findings(
        in file: Tree.File, of module: LayerTable.Module, _ table: LayerTable
    ) -> [Finding] {
        let allowed = table.allowed(for: module)
        return ImportLine.all(in: file).compactMap { line in
            let isExported = line.modifiers.contains("@_exported") && module.isUmbrella != true
            if isExported || line.modifiers.contains("@testable") {
                return Finding(
                    file.path, line: line.line,
                    "\(line.modifiers.joined(separator: " ")) import: it would hide what is used from where")
            }
            if line.module == module.name { return nil }
            if let other = table.module(line.module) {
                if allowed.contains(other.name) { return nil }
                let direction =
                    other.layer > module.layer
                    ? "an upward import, from layer \(module.layer) to \(other.layer)" : "not in its row"
                return Finding(
                    file.path, line: line.line,
                    "\(module.name) may not import \(other.name): \(direction) (\(LayerTable.path))")
            }
            if module.mayImportOutside(line.module) { return nil }
            return Finding(
                file.path, line: line.line,
                "\(module.name) may not import \(line.module): not in its row (\(LayerTable.path))")
        }
    }
}
