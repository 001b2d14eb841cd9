// SPDX-License-Identifier: Apache-2.0

/// The name of a consumer application: workers of one name share the shards of a stream. 1 to 128 of
/// `a-z A-Z 0-9 _ . -`.
public struct ApplicationName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(WeirError) {
        try NameRule.check(text, "application name")
        self.description = text
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// The name of a registered consumer, which has a read budget of its own
/// (docs/kinesis-semantics.md, Registered consumers). 1 to 128 of `a-z A-Z 0-9 _ . -`.
public struct ConsumerName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    public init(_ text: String) throws(WeirError) {
        try NameRule.check(text, "consumer name")
        self.description = text
    }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}
