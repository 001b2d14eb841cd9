// swift-tools-version: 6.2
// The modules of Weir, from the bottom layer up. What may import what: ARCHITECTURE.md, checked by TidyTests.
import PackageDescription

/// Warnings are errors everywhere; language mode 6 is the default of these tools.
let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "weir",
    targets: [
        // Layer 0: the nouns, and C
        .target(name: "CWeir"),
        .target(name: "WeirModel", dependencies: ["CWeir"], swiftSettings: settings),
        // Layer 1: decisions and forms, without I/O
        .target(name: "WeirProtocol", dependencies: ["WeirModel"], swiftSettings: settings),
        .target(name: "WeirLog", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirCatalog", dependencies: ["WeirModel"], swiftSettings: settings),
        .testTarget(name: "WeirCatalogTests", dependencies: ["WeirCatalog", "WeirModel"], swiftSettings: settings),
    ]
)
