// SPDX-License-Identifier: Apache-2.0

/// The name of a stream: 1 to 128 of `a-z A-Z 0-9 _ . -` (contract 2.1). A name is resolved once; every handle
/// holds the `StreamID`, so that a stream made anew under the same name is another stream.
public struct StreamName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(WeirError) {
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                return true
            default: return false
            }
        }
        guard Limits.streamNameCharacters.contains(text.utf8.count), allowed else {
            throw WeirError(
                .invalidArgument,
                "stream name '\(text.prefix(140))' is not allowed: 1 to 128 of a-z, A-Z, 0-9, '_', '.' and '-'")
        }
        self.description = text
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// The identity of a stream: never reused, also not after deletion.
public struct StreamID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt64

    @inlinable
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public var description: String { "stream#\(self.rawValue)" }
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
