// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How files are compressed.
package enum Compression: Hashable, Sendable {
    /// Level 1 to 19.
    case zstd(level: Int)
    /// Level 1 to 9.
    case gzip(level: Int)
    /// The frame format. Level 1 to 12.
    case lz4(level: Int)
    case none

    /// By name, at its usual level unless `level` says another one. Throws `invalidArgument`.
    package init(named name: String, level: Int? = nil) throws(WeirError) {
        switch name {
        case "zstd": self = .zstd(level: try Self.check(level ?? 3, 1...19, name))
        case "gzip": self = .gzip(level: try Self.check(level ?? 6, 1...9, name))
        case "lz4": self = .lz4(level: try Self.check(level ?? 1, 1...12, name))
        case "none":
            guard level == nil else { throw WeirError(.invalidArgument, "what is not compressed has no level") }
            self = .none
        default:
            throw WeirError(.invalidArgument, "'\(name)' is no compression: it is zstd, gzip, lz4 or none")
        }
    }

    private static func check(_ level: Int, _ allowed: ClosedRange<Int>, _ name: String) throws(WeirError) -> Int {
        guard allowed.contains(level) else {
            throw WeirError(
                .invalidArgument,
                "level \(level) of \(name) is not allowed: \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        return level
    }

    /// What a file of this name was compressed with; at its usual level, unless that is `usual`.
    package init(ofSuffix name: String, usual: Compression) {
        if name.hasSuffix(usual.suffix), usual != .none {
            self = usual
        } else if name.hasSuffix(".zst") {
            self = .zstd(level: 3)
        } else if name.hasSuffix(".gz") {
            self = .gzip(level: 6)
        } else {
            self = name.hasSuffix(".lz4") ? .lz4(level: 1) : .none
        }
    }

    /// What names of files end in, with its dot.
    package var suffix: String {
        switch self {
        case .zstd: ".zst"
        case .gzip: ".gz"
        case .lz4: ".lz4"
        case .none: ""
        }
    }
}
