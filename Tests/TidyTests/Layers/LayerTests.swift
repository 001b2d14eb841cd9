// SPDX-License-Identifier: Apache-2.0
import Testing

/// The modules of a made-up package, in three layers.
private let sampleTable = """
    { "modules": [
        { "name": "Nouns", "layer": 0, "owns": "nouns", "imports": [], "outside": [] },
        { "name": "Rules", "layer": 1, "owns": "rules", "imports": ["Nouns"], "outside": [] },
        { "name": "Runner", "layer": 2, "owns": "a runner", "imports": ["layers 0-1"], "outside": ["NIO*", "Glibc"] },
        { "name": "Later", "layer": 2, "owns": "what comes", "imports": ["Nouns"], "outside": [] }
      ], "absent": ["Later"] }
    """

private func sample(_ files: [String: String], table: String = sampleTable) throws -> (Tree, LayerTable) {
    var all = ["Sources/Nouns/A.swift": "", "Sources/Rules/A.swift": "", "Sources/Runner/A.swift": ""]
    all.merge(files) { $1 }
    let tree = Tree(all.map { Tree.File($0.key, $0.value) } + [Tree.File(LayerTable.path, table)])
    return (tree, try LayerTable(reading: tree))
}

@Suite("Layers")
struct LayerTests {
    // MARK: The repository

    @Test("The table of layers has no upward edge, no circle, no unknown name, and keeps the pure layers pure")
    func table() throws {
        expectNone(try LayerTable(reading: .repository).findings())
    }

    @Test("Every import of a module is one that the table lists")
    func imports() throws {
        expectNone(ImportRule.findings(in: .repository, try LayerTable(reading: .repository)))
    }

    @Test("Package.swift and the table say the same, and warnings are errors in every target")
    func manifest() throws {
        expectNone(ManifestRule.findings(in: .repository, try LayerTable(reading: .repository)))
    }

    @Test("ARCHITECTURE.md shows the table as it is")
    func architecture() throws {
        expectNone(ArchitectureTable.findings(in: .repository, try LayerTable(reading: .repository)))
    }

    // MARK: That the gates bite

    @Test("A tree whose imports point downwards passes")
    func passes() throws {
        let (tree, table) = try sample([
            "Sources/Rules/A.swift": "package import Nouns\nimport struct Nouns.Thing\nimport Swift",
            "Sources/Runner/B.swift": "import Nouns\nimport NIOCore\n#if canImport(Glibc)\nimport Glibc\n#endif",
        ])
        expectNone(table.findings())
        expectNone(ImportRule.findings(in: tree, table))
    }

    @Test(
        "An upward import is refused, however it is written",
        arguments: [
            "import Runner", "package import Runner", "@preconcurrency import Runner", "import struct Runner.Thing",
            "internal  import Runner // really", "/* see */ import Runner",
        ])
    func upward(line: String) throws {
        let (tree, table) = try sample(["Sources/Rules/B.swift": "// head\n\(line)"])
        expectBites(ImportRule.findings(in: tree, table), at: ["Sources/Rules/B.swift:2"], saying: "upward import")
    }

    @Test(
        "What only looks like an import is let alone", arguments: ["// import Runner", "let text = \"import Runner\""])
    func lookalike(line: String) throws {
        let (tree, table) = try sample(["Sources/Rules/B.swift": line])
        expectNone(ImportRule.findings(in: tree, table))
    }

    @Test("An import from outside that is in no row is refused", arguments: ["NIOCore", "Foundation", "Glibc"])
    func outside(name: String) throws {
        let (tree, table) = try sample(["Sources/Rules/B.swift": "import \(name)"])
        expectBites(ImportRule.findings(in: tree, table), at: ["Sources/Rules/B.swift:1"], saying: "not in its row")
    }

    @Test("Imports that hide what is used from where are refused", arguments: ["@_exported", "@testable"])
    func hiding(attribute: String) throws {
        let (tree, table) = try sample(["Sources/Runner/B.swift": "\(attribute) import Nouns"])
        expectBites(ImportRule.findings(in: tree, table), at: ["Sources/Runner/B.swift:1"], saying: "hide")
    }

    @Test("Only an umbrella shows other modules as its own, and only those in its row")
    func umbrella() throws {
        let table = sampleTable.replacing("\"Runner\",", with: "\"Runner\", \"isUmbrella\": true,")
        let (tree, read) = try sample(
            ["Sources/Runner/B.swift": "@_exported import Nouns", "Sources/Rules/B.swift": "@_exported import Nouns"],
            table: table)
        expectBites(ImportRule.findings(in: tree, read), at: ["Sources/Rules/B.swift:1"], saying: "hide")
        let (other, again) = try sample(["Sources/Runner/B.swift": "@_exported import Foundation"], table: table)
        expectBites(ImportRule.findings(in: other, again), at: ["Sources/Runner/B.swift:1"], saying: "not in its row")
    }

    @Test("A module without a row, and a file outside of every module, are refused")
    func unknown() throws {
        let (tree, table) = try sample(["Sources/Stray/A.swift": "", "Sources/B.swift": ""])
        let findings = ImportRule.findings(in: tree, table)
        expectBites(findings.filter { $0.path == "Sources/Stray" }, at: ["Sources/Stray"], saying: "no row")
        expectBites(
            findings.filter { $0.path != "Sources/Stray" }, at: ["Sources/B.swift"], saying: "folder of its module")
    }

    @Test("What ships lies under Sources, and what only tests need does not")
    func homes() throws {
        let kit = "{ \"name\": \"Kit\", \"layer\": 6, \"owns\": \"a kit\", \"imports\": [], \"outside\": [] }"
        let row = "{ \"name\": \"Later\","
        let inSources = sampleTable.replacing(row, with: kit + ",\n" + row)
        expectBites(try sample([:], table: inSources).1.findings(), at: [LayerTable.path], saying: "what ships")
        let inTests = inSources.replacing("\"Kit\",", with: "\"Kit\", \"folder\": \"Tests/Support\",")
        let (tree, table) = try sample(["Tests/Support/Kit/A.swift": "import Nouns"], table: inTests)
        expectNone(table.findings())
        expectBites(
            ImportRule.findings(in: tree, table), at: ["Tests/Support/Kit/A.swift:1"], saying: "not in its row")
        let shipped = sampleTable.replacing("\"Rules\",", with: "\"Rules\", \"folder\": \"Tests/Support\",")
        expectBites(try sample([:], table: shipped).1.findings(), at: [LayerTable.path], saying: "what ships")
    }

    @Test("The list of absent modules is exact in both directions")
    func absent() throws {
        let (there, table) = try sample(["Sources/Later/A.swift": ""])
        expectBites(ImportRule.findings(in: there, table), at: ["Sources/Later"], saying: "take it from 'absent'")
        let (gone, other) = try sample([:], table: sampleTable.replacing("[\"Later\"]", with: "[]"))
        expectBites(ImportRule.findings(in: gone, other), at: ["Sources/Later"], saying: "name it in 'absent'")
    }

    @Test(
        "A table that contradicts itself is refused",
        arguments: [
            (
                "\"imports\": [\"Nouns\"], \"outside\": [] },\n        { \"name\": \"Runner\"", "[\"Runner\"]",
                "above it"
            ),
            ("\"owns\": \"nouns\", \"imports\": []", "[\"Nouns\"]", "circle"),
            ("\"owns\": \"nouns\", \"imports\": []", "[\"Verbs\"]", "does not know"),
            ("\"owns\": \"rules\", \"imports\": [\"Nouns\"], \"outside\": []", "[\"Foundation\"]", "pure layer"),
        ])
    func contradictions(place: String, list: String, words: String) throws {
        // The last list of the place is exchanged.
        let end = place.lastIndex(of: "[").map { place[..<$0] } ?? ""
        let changed: String
        if words == "above it" {
            changed = sampleTable.replacing(
                "\"owns\": \"rules\", \"imports\": [\"Nouns\"]", with: "\"owns\": \"rules\", \"imports\": \(list)")
        } else {
            changed = sampleTable.replacing(place, with: end + list)
        }
        #expect(changed != sampleTable)
        let (_, table) = try sample([:], table: changed)
        #expect(table.findings().contains { $0.message.contains(words) }, "\(table.findings())")
    }

    @Test("A seam asks the system in a low layer, and is closed to the pure modules there")
    func seams() throws {
        let open = sampleTable.replacing("\"Nouns\", \"layer\": 0", with: "\"Nouns\", \"isSeam\": true, \"layer\": 0")
        let (_, table) = try sample([:], table: open)
        #expect(table.findings().contains { $0.message.contains("Rules is pure and may not import Nouns") })
        let closed = open.replacing(
            "\"owns\": \"nouns\", \"imports\": [], \"outside\": []",
            with: "\"owns\": \"nouns\", \"imports\": [], \"outside\": [\"Glibc\"]"
        ).replacing("\"owns\": \"rules\", \"imports\": [\"Nouns\"]", with: "\"owns\": \"rules\", \"imports\": []")
        #expect(closed != open)
        expectNone(try sample([:], table: closed).1.findings())
    }

    @Test(
        "A table in ARCHITECTURE.md that differs from the source is refused: a changed row, one too many, one missing")
    func architectureBites() throws {
        let (tree, table) = try sample([:])
        let rows = ArchitectureTable.rows(table)
        func findings(_ rows: [String]) -> [Finding] {
            let page = Tree.File(ArchitectureTable.path, "# Page\n\n" + rows.joined(separator: "\n") + "\n\nText.")
            return ArchitectureTable.findings(in: Tree(tree.files + [page]), table)
        }
        expectNone(findings(rows))
        var changed = rows
        changed[3] = changed[3].replacing("Nouns", with: "Runner")
        expectBites(findings(changed), at: ["ARCHITECTURE.md:6"], saying: "differs")
        expectBites(findings(rows + ["| 9 | `X` | x | - | - |"]), at: ["ARCHITECTURE.md:9"], saying: "differs")
        expectBites(findings(rows.dropLast()), at: ["ARCHITECTURE.md:7"], saying: "lacks")
        expectBites(findings([]), at: ["ARCHITECTURE.md"], saying: "no table")
    }
}
