// SPDX-License-Identifier: Apache-2.0
import Testing

private let sampleManifest = """
    // swift-tools-version: 6.2
    let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]
    let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]
    let net: [Target.Dependency] = [
        .product(name: "NIOCore", package: "net"), .product(name: "NIOPosix", package: "net"),
    ]
    let nouns: Target.Dependency = .target(name: "CNouns")
    let package = Package(
        name: "sample",
        dependencies: [.package(url: "https://example.org/net.git", from: "1.0.0")],
        targets: [
            .target(name: "CNouns", cSettings: cSettings),
            // .target(name: "Hidden"),
            .target(name: "Rules", dependencies: ["CNouns"], swiftSettings: settings),
            .target(
                name: "Runner",
                dependencies: [
                    "Rules", nouns,
                ] + net,
                swiftSettings: settings),
            .executableTarget(name: "run", dependencies: ["Runner"], swiftSettings: settings),
            .testTarget(name: "RulesTests", dependencies: ["Rules"], swiftSettings: settings),
            .testTarget(name: "TidyTests", swiftSettings: settings),
        ]
    )
    """

private let sampleTable = """
    { "modules": [
        { "name": "CNouns", "layer": 0, "owns": "nouns", "imports": [], "outside": [] },
        { "name": "Rules", "layer": 1, "owns": "rules", "imports": ["CNouns"], "outside": [] },
        { "name": "Runner", "layer": 2, "owns": "a runner", "imports": ["layers 0-1"], "outside": ["NIO*"] },
        { "name": "run", "layer": 4, "owns": "the program", "imports": ["Runner"], "outside": [] }
      ], "absent": [] }
    """

@Suite("The package manifest")
struct ManifestTests {
    private func findings(_ manifest: String, extra: [String: String] = [:]) throws -> [Finding] {
        var files = [
            Manifest.path: manifest, LayerTable.path: sampleTable, "Sources/CNouns/a.c": "",
            "Sources/Rules/A.swift": "import CNouns", "Sources/Runner/A.swift": "import Rules",
            "Sources/run/main.swift": "",
            "Tests/RulesTests/A.swift": "", "Tests/TidyTests/A.swift": "",
        ]
        files.merge(extra) { $1 }
        let tree = Tree(files.map { Tree.File($0.key, $0.value) })
        return ManifestRule.findings(in: tree, try LayerTable(reading: tree))
    }

    @Test("Targets are read with their dependencies and products")
    func reading() {
        let targets = Manifest(Tree.File(Manifest.path, sampleManifest)).targets
        #expect(targets.map(\.name) == ["CNouns", "Rules", "Runner", "run", "RulesTests", "TidyTests"])
        #expect(targets[2].targets == ["Rules", "CNouns"])
        #expect(targets[2].products == ["NIOCore", "NIOPosix"])
        #expect(targets[3].kind == .executableTarget)
        #expect(targets[4].kind == .testTarget)
        #expect(targets[5].targets.isEmpty)
    }

    @Test("A manifest that agrees passes")
    func passes() throws {
        expectNone(try self.findings(sampleManifest))
    }

    @Test(
        "A manifest that differs is refused",
        arguments: [
            // What is exchanged, by what, and what is said of it.
            (
                "name: \"Rules\", dependencies: [\"CNouns\"]",
                "name: \"Rules\", dependencies: [\"CNouns\", \"Runner\"]", "depends on Runner"
            ),
            ("name: \"CNouns\", cSettings: cSettings", "name: \"CNouns\"", "'cSettings: cSettings'"),
            (
                "dependencies: [\"CNouns\"], swiftSettings: settings", "dependencies: [\"CNouns\"]",
                "'swiftSettings: settings'"
            ),
            (".target(name: \"CNouns\", cS", ".target(name: \"CVerbs\", cS", "no row"),
            (
                "name: \"run\", dependencies: [\"Runner\"]", "name: \"run\", dependencies: [\"Rules\"]",
                "depends on Rules"
            ),
            ("name: \"NIOCore\"", "name: \"Logging\"", "depends on Logging"),
            ("name: \"RulesTests\"", "name: \"OtherTests\"", "has no folder"),
            (
                "name: \"TidyTests\", ", "name: \"TidyTests\", dependencies: [\"Rules\"], ",
                "must run when nothing else builds"
            ),
            (
                "let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]", "let settings: [SwiftSetting] = []",
                "does not say"
            ),
            (
                "let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]", "let cSettings: [CSetting] = []",
                "does not say"
            ),
        ])
    func bites(place: String, change: String, words: String) throws {
        let changed = sampleManifest.replacing(place, with: change)
        #expect(changed != sampleManifest)
        let findings = try self.findings(changed)
        #expect(findings.contains { $0.message.contains(words) }, "\(findings)")
    }

    @Test("An import that the target does not declare is refused, though the table allows it")
    func undeclared() throws {
        let manifest = sampleManifest.replacing("\"Rules\", nouns,", with: "\"Rules\",")
        let findings = try self.findings(manifest, extra: ["Sources/Runner/B.swift": "import CNouns"])
        expectBites(findings, at: ["Sources/Runner/B.swift:1"], saying: "does not declare")
    }

    @Test("A module of the table that is no target is refused")
    func missing() throws {
        let manifest = sampleManifest.replacing(
            ".executableTarget(name: \"run\", dependencies: [\"Runner\"], swiftSettings: settings),", with: "")
        #expect(try self.findings(manifest).map(\.message) == ["run of config/layers.json is no target"])
    }
}
