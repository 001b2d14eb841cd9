// swift-tools-version: 6.2
// The modules of Weir, from the bottom layer up. What may import what: ARCHITECTURE.md, checked by TidyTests.
import PackageDescription

/// Warnings are errors everywhere; language mode 6 is the default of these tools.
let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "weir",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
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
        // For tests: a disk that forgets, a judge of histories, and the simulator that plays them
        .target(
            name: "WeirTestKit", dependencies: ["CWeir", "WeirModel", "WeirLog", "WeirCatalog", "WeirStorage"],
            swiftSettings: settings),
        .target(
            name: "WeirSimulator",
            dependencies: ["WeirModel", "WeirLog", "WeirCatalog", "WeirStorage", "WeirTestKit"], swiftSettings: settings),
        .executableTarget(name: "weir-sim", dependencies: ["WeirSimulator"], swiftSettings: settings),
        // Tests, one target a module
        .testTarget(name: "WeirCatalogTests", dependencies: ["WeirCatalog", "WeirModel"], swiftSettings: settings),
        .testTarget(name: "WeirModelTests", dependencies: ["WeirModel"], swiftSettings: settings),
        .testTarget(
            name: "WeirProtocolTests", dependencies: ["CWeir", "WeirModel", "WeirProtocol"], swiftSettings: settings),
        .testTarget(
            name: "WeirStorageTests",
            dependencies: ["WeirStorage", "WeirCatalog", "WeirLog", "WeirModel", "WeirTestKit"],
            swiftSettings: settings),
        .testTarget(
            name: "CWeirTests", dependencies: ["CWeir", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
    ]
)
