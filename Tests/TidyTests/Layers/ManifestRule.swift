// SPDX-License-Identifier: Apache-2.0

/// Package.swift and the table say the same, and every target takes warnings as errors.
enum ManifestRule {
    static func findings(in tree: Tree, _ table: LayerTable) -> [Finding] {
        guard let file = tree.file(Manifest.path) else { return [Finding(Manifest.path, "there is none")] }
        let manifest = Manifest(file)
        func refuse(_ message: String) -> Finding { Finding(file.path, message) }
        var findings: [Finding] = []
        let products = manifest.targets.filter { $0.kind != .testTarget }
        for module in table.modules where !table.absent.contains(module.name) {
            if !products.contains(where: { $0.name == module.name }) {
                findings.append(refuse("\(module.name) of \(LayerTable.path) is no target"))
            }
        }
        for target in products {
            guard let module = table.module(target.name) else {
                findings.append(refuse("target \(target.name) has no row in \(LayerTable.path)"))
                continue
            }
            // For tests a program may lie beside another; that is no import.
            let programs =
                module.layer == LayerTable.testLayer ? products.filter { $0.kind == .executableTarget }.map(\.name) : []
            findings += Self.dependencies(of: target, module, table, besides: programs).map(refuse)
            findings += Self.undeclared(by: target, tree, table)
        }
        for target in manifest.targets {
            findings += Self.settings(of: target, tree, table).map(refuse)
            if target.kind == .testTarget, tree.under("Tests/" + target.name).isEmpty {
                findings.append(refuse("test target \(target.name) has no folder"))
            }
        }
        if let tidy = manifest.targets.first(where: { $0.name == "TidyTests" }), !tidy.targets.isEmpty {
            findings.append(refuse("TidyTests depends on \(tidy.targets[0]): it must run when nothing else builds"))
        }
        for name in ["let settings", "let cSettings"] where !Self.definition(name, manifest).contains(Self.strict) {
            findings.append(refuse("\(name) does not say \(Self.strict)"))
        }
        return findings
    }

    private static let strict = ".treatAllWarnings(as: .error)"

    private static func definition(_ name: String, _ manifest: Manifest) -> String {
        manifest.text.split(separator: "\n").first { $0.hasPrefix(name + ":") }.map(String.init) ?? ""
    }

    private static func dependencies(
        of target: Manifest.Target, _ module: LayerTable.Module, _ table: LayerTable, besides programs: [String]
    ) -> [String] {
        let allowed = table.allowed(for: module).union(programs)
        let targets = target.targets.filter { !allowed.contains($0) }
        let products = target.products.filter { !module.mayImportOutside($0) }
        return (targets + products).map {
            "target \(target.name) depends on \($0), which its row in \(LayerTable.path) does not list"
        }
    }

    /// SwiftPM lets a target import what only its neighbours declare; then the manifest would say less than is true.
    private static func undeclared(by target: Manifest.Target, _ tree: Tree, _ table: LayerTable) -> [Finding] {
        var findings: [Finding] = []
        guard let folder = table.module(target.name)?.path else { return [] }
        for file in tree.under(folder) where file.isSwift {
            for line in ImportLine.all(in: file) where table.module(line.module) != nil && line.module != target.name {
                if target.targets.contains(line.module) { continue }
                findings.append(
                    Finding(
                        file.path, line: line.line,
                        "imports \(line.module), which target \(target.name) does not declare in \(Manifest.path)"))
            }
        }
        return findings
    }

    private static func settings(of target: Manifest.Target, _ tree: Tree, _ table: LayerTable) -> [String] {
        let folder = table.module(target.name)?.path ?? "Tests/" + target.name
        let isC = tree.under(folder).contains { $0.isC } && !tree.under(folder).contains { $0.isSwift }
        let wanted = isC ? "cSettings: cSettings" : "swiftSettings: settings"
        return target.text.contains(wanted)
            ? [] : ["target \(target.name) is not built with '\(wanted)': its warnings would not be errors"]
    }
}
