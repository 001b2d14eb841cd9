// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `config/layers.json`: which module may import which. The one source; ARCHITECTURE.md shows it.
struct LayerTable: Decodable {
    struct Module: Decodable {
        let name: String
        /// Where its folder lies; `nil`: under `Sources`, which holds only what ships.
        let folder: String?
        /// From the bottom; `testLayer` is for tests and the simulator.
        let layer: Int
        let owns: String
        /// Modules of Weir. `layers 0-3` stands for all of these layers.
        let imports: [String]
        /// Modules from elsewhere; `NIO*` stands for every name that begins so. The standard library is always allowed.
        let outside: [String]
        /// Whether it is there to show the modules in its row as one.
        let isUmbrella: Bool?
        /// Whether it is what the pure layers are pure of: it waits, asks the system, and is closed to them.
        let isSeam: Bool?

        /// Whether it decides only, and gets time, chance and bytes as arguments.
        var isPure: Bool { self.layer <= 1 && self.isSeam != true }

        var home: String { self.folder ?? "Sources" }
        /// Of its own folder, from the root.
        var path: String { self.home + "/" + self.name }

        func mayImportOutside(_ name: String) -> Bool {
            if name == "Swift" || name == "_Concurrency" { return true }
            return self.outside.contains { entry in
                entry.hasSuffix("*") ? name.hasPrefix(entry.dropLast()) : name == entry
            }
        }
    }

    let modules: [Module]
    /// Modules of the table that have no code yet.
    let absent: [String]

    static let path = "config/layers.json"
    /// Above all that ships.
    static let testLayer = 6

    init(reading tree: Tree) throws {
        guard let file = tree.file(Self.path) else { throw Missing() }
        self = try JSONDecoder().decode(LayerTable.self, from: Data(file.text.utf8))
    }

    struct Missing: Error {}

    /// The folders that hold those of the modules.
    var homes: [String] { Set(self.modules.map(\.home)).union(["Sources"]).sorted() }

    func module(_ name: String) -> Module? { self.modules.first { $0.name == name } }

    /// The modules of Weir that `module` may import.
    func allowed(for module: Module) -> Set<String> {
        var names: Set<String> = []
        for entry in module.imports {
            if let layers = Self.layers(entry) {
                names.formUnion(self.modules.filter { layers.contains($0.layer) }.map(\.name))
            } else {
                names.insert(entry)
            }
        }
        return names
    }

    /// Reads `layers 0-3`.
    static func layers(_ entry: String) -> ClosedRange<Int>? {
        guard entry.hasPrefix("layers ") else { return nil }
        let ends = entry.dropFirst(7).split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1] else { return nil }
        return ends[0]...ends[1]
    }
}

extension LayerTable {
    /// What the pure layers may never import, whatever their rows say: nothing that does I/O, waits, or tells the time.
    private static let impure = ["Foundation", "NIO", "Dispatch", "Glibc", "Musl", "Darwin", "Logging", "System"]

    /// What is wrong with the table by itself.
    func findings() -> [Finding] {
        var findings: [Finding] = []
        func refuse(_ message: String) { findings.append(Finding(Self.path, message)) }
        var seen: Set<String> = []
        for module in self.modules {
            if !seen.insert(module.name).inserted { refuse("\(module.name) is there twice") }
            if !(0...Self.testLayer).contains(module.layer) {
                refuse("\(module.name) is in layer \(module.layer); there are 0 to \(Self.testLayer)")
            }
            if (module.layer == Self.testLayer) == ["Sources", "Examples"].contains(module.home) {
                refuse("\(module.name) lies under \(module.home): Sources and Examples are what ships, Tests the rest")
            }
            for name in self.allowed(for: module) {
                guard let other = self.module(name) else {
                    refuse("\(module.name) may import \(name), which the table does not know")
                    continue
                }
                if other.layer > module.layer {
                    refuse(
                        "\(module.name) in layer \(module.layer) may import \(name) above it, in layer \(other.layer)")
                }
            }
            if module.isPure {
                for seam in self.modules where seam.isSeam == true && self.allowed(for: module).contains(seam.name) {
                    refuse(
                        "\(module.name) is pure and may not import \(seam.name): time and bytes come in as arguments")
                }
                for entry in module.outside where Self.impure.contains(where: { entry.hasPrefix($0) }) {
                    refuse("\(module.name) is in a pure layer and may not import \(entry)")
                }
            }
        }
        for name in self.absent where self.module(name) == nil { refuse("absent \(name) is not in the table") }
        if let cycle = self.cycle() { refuse("imports go in a circle: \(cycle.joined(separator: " -> "))") }
        return findings
    }

    private func cycle() -> [String]? {
        var done: Set<String> = []
        func walk(_ name: String, _ path: [String]) -> [String]? {
            if let start = path.firstIndex(of: name) { return Array(path[start...]) + [name] }
            guard !done.contains(name), let module = self.module(name) else { return nil }
            for next in self.allowed(for: module).sorted() {
                if let found = walk(next, path + [name]) { return found }
            }
            done.insert(name)
            return nil
        }
        for module in self.modules {
            if let found = walk(module.name, []) { return found }
        }
        return nil
    }
}
