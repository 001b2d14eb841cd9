// SPDX-License-Identifier: Apache-2.0

/// The table of layers in ARCHITECTURE.md: written by hand nowhere, compared with what the table gives.
enum ArchitectureTable {
    static let path = "ARCHITECTURE.md"

    static func rows(_ table: LayerTable) -> [String] {
        ["| Layer | Module | Owns | May import | From outside |", "|---|---|---|---|---|"]
            + table.modules.map { module in
                let layer = module.layer == LayerTable.testLayer ? "test" : String(module.layer)
                func list(_ names: [String]) -> String { names.isEmpty ? "-" : names.joined(separator: ", ") }
                let (imports, outside) = (list(module.imports), list(module.outside))
                return "| \(layer) | `\(module.name)` | \(module.owns) | \(imports) | \(outside) |"
            }
    }

    static func findings(in tree: Tree, _ table: LayerTable) -> [Finding] {
        guard let file = tree.file(Self.path) else { return [Finding(Self.path, "there is none")] }
        let wanted = Self.rows(table)
        guard let start = file.lines.firstIndex(of: wanted[0]) else {
            return [Finding(Self.path, "there is no table of layers; it should be:\n" + wanted.joined(separator: "\n"))]
        }
        let found = file.lines[start...].prefix { $0.hasPrefix("|") }
        for (offset, line) in found.enumerated() where offset >= wanted.count || line != wanted[offset] {
            return [
                Finding(
                    Self.path, line: start + offset + 1,
                    "the table of layers differs from \(LayerTable.path); it should be:\n"
                        + wanted.joined(separator: "\n"))
            ]
        }
        if found.count < wanted.count {
            return [
                Finding(
                    Self.path, line: start + found.count,
                    "the table of layers differs from \(LayerTable.path): it lacks\n"
                        + wanted[found.count...].joined(separator: "\n"))
            ]
        }
        return []
    }
}
