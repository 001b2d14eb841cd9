// SPDX-License-Identifier: Apache-2.0

/// The name of a stream: 1 to 128 of `a-z A-Z 0-9 _ . -`
/// (docs/kinesis-semantics.md, Names). A name is resolved once; every handle
/// holds the `StreamID`, so that a stream made anew under the same name is another stream.
public struct StreamName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(WeirError) {
        try NameRule.check(text, "stream name")
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
