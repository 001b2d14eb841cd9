// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "weir",
    dependencies: [
        // Only tests use it: the reference that the MD5 of CWeir is checked against.
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2")
    ],
    targets: [
        .target(name: "CWeir", cSettings: [.treatAllWarnings(as: .error)]),
        .testTarget(
            name: "CWeirTests",
            dependencies: ["CWeir", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: [.treatAllWarnings(as: .error)]),
    ]
)
