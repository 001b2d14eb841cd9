// swift-tools-version: 6.2
// The modules of Weir, from the bottom layer up. What may import what: config/layers.json, checked by TidyTests.
import PackageDescription

/// Warnings are errors everywhere; language mode 6 is the default of these tools.
let settings: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let cSettings: [CSetting] = [.treatAllWarnings(as: .error)]

/// `WEIR_COMMIT=$(git rev-parse --short HEAD) swift build`: what `weir version` says.
let commit = Context.environment["WEIR_COMMIT"] ?? ""
let buildSettings: [CSetting] =
    commit.isEmpty || !commit.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-+.".contains($0)) }
    ? [] : [.define("WEIR_COMMIT", to: "\"\(commit)\"")]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
]
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

// Linked into the program where the system has them so, that it runs wherever it is copied to.
let codecLibraries: [LinkerSetting] = ["zstd", "deflate", "lz4", "z"].flatMap { name -> [LinkerSetting] in
    [
        .linkedLibrary(":lib\(name).a", .when(platforms: [.linux])),
        .linkedLibrary(name, .when(platforms: [.macOS])),
    ]
}

let package = Package(
    name: "weir",
    products: [
        .executable(name: "weir", targets: ["weir"]),
        .library(name: "WeirKit", targets: ["WeirKit"]),
        .library(name: "WeirClient", targets: ["WeirClient", "WeirModel"]),
        .library(name: "WeirConsumer", targets: ["WeirConsumer", "WeirClient", "WeirModel"]),
        .library(name: "WeirServices", targets: ["WeirServices"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // Only for the product WeirServices: who does not use that does not build them.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        // Queues of what waits for the disk.
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
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
        .target(name: "CWeirCodecs", cSettings: cSettings, linkerSettings: codecLibraries),
        .target(name: "CWeirBuild", cSettings: cSettings + buildSettings),
        .target(name: "WeirModel", dependencies: ["CWeir"], swiftSettings: settings),
        // What the system gives, behind protocols: time, files, threads, chance
        .target(name: "WeirIO", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirJSON", swiftSettings: settings),
        // Layer 1: decisions and forms, without I/O
        .target(name: "WeirProtocol", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirLog", dependencies: ["CWeir", "WeirModel"], swiftSettings: settings),
        .target(name: "WeirCatalog", dependencies: ["WeirModel"], swiftSettings: settings),
        // Layer 2: the log on files
        .target(
            name: "WeirStorage", dependencies: ["CWeir", "WeirIO", "WeirModel", "WeirLog", "WeirCatalog"],
            swiftSettings: settings),
        // Layer 3: what every door of a node stands on
        .target(
            name: "WeirEngine",
            dependencies: [
                "CWeir", "WeirCatalog", "WeirIO", "WeirLog", "WeirModel", "WeirStorage",
                .product(name: "DequeModule", package: "swift-collections"),
            ], swiftSettings: settings),
        // Layer 4: a node, and the client
        .target(
            name: "WeirServer",
            dependencies: [
                "CWeir", "WeirCatalog", "WeirEngine", "WeirIO", "WeirLog", "WeirModel", "WeirProtocol", "WeirStorage",
                logging,
            ] + nio, swiftSettings: settings),
        .target(
            name: "WeirClient", dependencies: ["WeirIO", "WeirModel", "WeirProtocol", logging] + nio,
            swiftSettings: settings),
        .target(
            name: "WeirConsumer", dependencies: ["WeirIO", "WeirJSON", "WeirModel", "WeirClient", logging],
            swiftSettings: settings),
        // One import for one program
        .target(name: "WeirKit", dependencies: ["WeirModel", "WeirClient", "WeirConsumer"], swiftSettings: settings),
        // Clients and workers as services of a program that has others too
        .target(
            name: "WeirServices",
            dependencies: [
                "WeirIO", "WeirClient", "WeirConsumer",
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
            ], swiftSettings: settings),
        .target(
            name: "WeirDelivery",
            dependencies: ["CWeir", "CWeirCodecs", "WeirIO", "WeirJSON", "WeirModel", "WeirClient", "WeirConsumer"],
            swiftSettings: settings),
        // Layer 5: the command line, and the one executable
        .target(
            name: "WeirCommands",
            dependencies: [
                "CWeir", "CWeirBuild", "WeirCatalog", "WeirClient", "WeirConsumer", "WeirDelivery", "WeirEngine",
                "WeirIO", "WeirJSON", "WeirModel", "WeirProtocol", "WeirServer", "WeirStorage", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Yams", package: "Yams"),
            ] + nio, swiftSettings: settings),
        .executableTarget(name: "weir", dependencies: ["WeirCommands"], swiftSettings: settings),
        // The program that the README shows; a test runs it
        .executableTarget(
            name: "readme-consumer", dependencies: ["WeirKit"], path: "Examples/readme-consumer",
            swiftSettings: settings),
        // The snippets of the article "Getting started"
        .executableTarget(
            name: "getting-started",
            dependencies: [
                "WeirKit", "WeirServices", logging,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], path: "Examples/getting-started", swiftSettings: settings),
        // For tests: the real process under load, faults and kills
        // What is preloaded into a program under test is compiled when it is needed
        .target(
            name: "CWeirHarness", path: "Tests/Support/CWeirHarness", exclude: ["preload"], cSettings: cSettings),
        .target(
            name: "CWeirDecoders", path: "Tests/Support/CWeirDecoders", cSettings: cSettings,
            linkerSettings: codecLibraries),
        .target(
            name: "WeirHarness",
            dependencies: ["CWeir", "CWeirDecoders", "CWeirHarness", "WeirModel", "WeirProtocol", "WeirClient"],
            path: "Tests/Support/WeirHarness", swiftSettings: settings),
        // Depends on weir so that the program lies beside it, whichever of the two is built
        .executableTarget(
            name: "weir-harness",
            dependencies: ["WeirHarness", "weir", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Tools/weir-harness", swiftSettings: settings),
        // For tests: a disk that forgets, a judge of histories, and the simulator that plays them
        .target(
            name: "WeirTestKit",
            dependencies: ["CWeir", "WeirIO", "WeirModel", "WeirLog", "WeirCatalog", "WeirStorage"],
            path: "Tests/Support/WeirTestKit", swiftSettings: settings),
        .target(
            name: "WeirTestNode",
            dependencies: [
                "WeirClient", "WeirEngine", "WeirIO", "WeirModel", "WeirProtocol", "WeirServer", "WeirStorage",
                "WeirTestKit", logging, .product(name: "NIOCore", package: "swift-nio"),
            ], path: "Tests/Support/WeirTestNode", swiftSettings: settings),
        .target(
            name: "WeirSimulator",
            dependencies: [
                "WeirIO", "WeirModel", "WeirLog", "WeirCatalog", "WeirStorage", "WeirEngine", "WeirClient",
                "WeirConsumer", "WeirTestKit",
            ], path: "Tests/Support/WeirSimulator", swiftSettings: settings),
        .executableTarget(
            name: "weir-sim", dependencies: ["WeirSimulator"], path: "Tests/Tools/weir-sim", swiftSettings: settings),
        // Tests, one target a module
        .testTarget(
            name: "CWeirTests", dependencies: ["CWeir", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .testTarget(name: "WeirModelTests", dependencies: ["WeirModel"], swiftSettings: settings),
        .testTarget(name: "WeirIOTests", dependencies: ["WeirIO", "WeirTestKit"], swiftSettings: settings),
        .testTarget(name: "WeirJSONTests", dependencies: ["WeirJSON", "WeirTestKit"], swiftSettings: settings),
        .testTarget(
            name: "WeirProtocolTests", dependencies: ["CWeir", "WeirModel", "WeirProtocol"], swiftSettings: settings),
        .testTarget(
            name: "WeirCatalogTests", dependencies: ["WeirCatalog", "WeirModel", "WeirTestKit"],
            swiftSettings: settings),
        .testTarget(
            name: "WeirLogTests", dependencies: ["CWeir", "WeirLog", "WeirModel", "WeirTestKit"], exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(
            name: "WeirStorageTests",
            dependencies: ["WeirIO", "WeirStorage", "WeirCatalog", "WeirLog", "WeirModel", "WeirTestKit"],
            exclude: ["Golden"],
            swiftSettings: settings),
        .testTarget(
            name: "WeirSimulatorTests", dependencies: ["WeirSimulator"], swiftSettings: settings),
        .testTarget(
            name: "WeirEngineTests",
            dependencies: [
                "WeirCatalog", "WeirEngine", "WeirIO", "WeirLog", "WeirModel", "WeirStorage", "WeirTestKit",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "WeirServerTests",
            dependencies: [
                "CWeir", "WeirCatalog", "WeirEngine", "WeirIO", "WeirLog", "WeirModel", "WeirProtocol", "WeirServer",
                "WeirStorage", "WeirTestKit", logging,
            ] + nio, swiftSettings: settings),
        .testTarget(
            name: "WeirClientTests",
            dependencies: [
                "WeirEngine", "WeirIO", "WeirModel", "WeirProtocol", "WeirClient", "WeirTestKit", "WeirTestNode",
            ] + nio, swiftSettings: settings),
        .testTarget(
            name: "WeirConsumerTests",
            dependencies: ["WeirIO", "WeirModel", "WeirClient", "WeirConsumer", "WeirTestKit"],
            swiftSettings: settings),
        .testTarget(
            name: "WeirServicesTests",
            dependencies: [
                "WeirClient", "WeirConsumer", "WeirModel", "WeirServices", "WeirTestKit", "WeirTestNode", logging,
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "WeirDeliveryTests",
            dependencies: [
                "CWeirDecoders", "WeirClient", "WeirConsumer", "WeirDelivery", "WeirIO", "WeirModel", "WeirTestKit",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "weirTests",
            dependencies: [
                "CWeir", "WeirClient", "WeirCommands", "WeirConsumer", "WeirIO", "WeirJSON", "WeirModel",
                "WeirProtocol",
                "WeirServer", "WeirStorage", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio, swiftSettings: settings),
        .testTarget(name: "WeirHarnessTests", dependencies: ["WeirHarness", "WeirModel"], swiftSettings: settings),
        // The program as its users have it: real processes, files and sockets
        .testTarget(
            name: "ProcessTests", dependencies: ["WeirHarness", "weir", "readme-consumer"], swiftSettings: settings),
        // Gates over the text of the repository: depends on nothing, so that it runs when nothing else builds
        .testTarget(name: "TidyTests", swiftSettings: settings),
    ]
)
