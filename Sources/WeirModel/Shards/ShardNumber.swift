// SPDX-License-Identifier: Apache-2.0

/// A shard within its stream: counted up from 0, never reused. Its text is `shardId-000000000000`
/// (docs/kinesis-semantics.md, Names).
public struct ShardNumber: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let rawValue: UInt32

    @inlinable
    public init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// Reads the canonical form and, as the service does, a bare number.
    public init(parsing text: String) throws(WeirError) {
        let digits = text.hasPrefix("shardId-") ? text.dropFirst(8) : text[...]
        guard !digits.isEmpty, digits.utf8.count <= 12, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = UInt32(digits)
        else {
            throw WeirError(
                .invalidArgument, "shard '\(text.prefix(140))' is not a shard id such as shardId-000000000003")
        }
        self.rawValue = number
    }

    public var description: String {
        let digits = String(self.rawValue)
        return "shardId-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
