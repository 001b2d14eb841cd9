// swift-tools-version: 6.2
// The modules of Weir, from the bottom layer up. What may import what: ARCHITECTURE.md, checked by TidyTests.
import PackageDescription

/// Warnings are errors everywhere; language mode 6 is the default of these tools.
let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

/// `WEIR_COMMIT=$(git rev-parse --short HEAD) swift build`: what `weir version` says.
let commit = Context.environment["WEIR_COMMIT"] ?? ""
let buildSettings: [CSetting] =
    commit.isEmpty || !commit.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-+.".contains($0)) }
    ? [] : [.define("WEIR_COMMIT", to: "\"\(commit)\"")]

let package = Package(
    name: "weir",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // The command line: arguments, weir.yaml, latencies of `weir bench`.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // Only tests use it: the reference that the MD5 of CWeir is checked against.
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
    ],
    targets: [
        // Layer 0: the nouns, and C
        .target(name: "CWeir", cSettings: cSettings),
        .target(name: "WeirModel", dependencies: ["CWeir"], swiftSettings: settings),
        // Layer 1: decisions and forms, without I/O
        .target(name: "WeirProtocol", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirLog", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirCatalog", dependencies: ["WeirModel"], swiftSettings: settings),
        // Layer 2: the log on files
        .target(
            name: "WeirStorage", dependencies: ["CWeir", "WeirModel", "WeirLog", "WeirCatalog"], swiftSettings: settings),
        // Layer 3: a node
        .target(
            name: "WeirServer",
            dependencies: [
                "CWeir", "WeirCatalog", "WeirLog", "WeirModel", "WeirProtocol", "WeirStorage",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        // Layer 3: the client
        .target(
            name: "WeirClient",
            dependencies: [
                "CWeir", "WeirModel", "WeirProtocol",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: settings),
        // Layer T: the real process under load, faults and kills
        .target(name: "CWeirHarness", cSettings: cSettings),
        .target(
            name: "WeirHarness", dependencies: ["CWeir", "CWeirHarness", "WeirModel", "WeirProtocol", "WeirClient"],
            swiftSettings: settings),
        // Tests, one target a module
        .testTarget(name: "WeirCatalogTests", dependencies: ["WeirCatalog", "WeirModel"], swiftSettings: settings),
        .testTarget(
            name: "WeirHarnessTests", dependencies: ["WeirHarness", "WeirModel"], swiftSettings: settings),
        .testTarget(
            name: "WeirServerTests",
            dependencies: [
                "CWeir", "WeirCatalog", "WeirLog", "WeirModel", "WeirProtocol", "WeirServer", "WeirStorage",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(name: "WeirModelTests", dependencies: ["WeirModel"], swiftSettings: settings),
        .testTarget(
            name: "WeirProtocolTests", dependencies: ["CWeir", "WeirModel", "WeirProtocol"], swiftSettings: settings),
        .testTarget(
            name: "WeirStorageTests", dependencies: ["WeirStorage", "WeirCatalog", "WeirLog", "WeirModel"],
            swiftSettings: settings),
        .testTarget(
            name: "CWeirTests", dependencies: ["CWeir", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .testTarget(
            name: "WeirClientTests",
            dependencies: [
                "CWeir", "WeirModel", "WeirProtocol", "WeirClient",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),
    ]
)
