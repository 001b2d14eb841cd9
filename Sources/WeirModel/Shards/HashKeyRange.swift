// SPDX-License-Identifier: Apache-2.0

/// The hash keys that a shard takes, both ends included.
public struct HashKeyRange: Hashable, Sendable, CustomStringConvertible {
    public let lower: HashKey
    public let upper: HashKey

    public init(_ lower: HashKey, _ upper: HashKey) {
        precondition(lower <= upper, "a hash key range has its lower end first")
        self.lower = lower
        self.upper = upper
    }

    public static let all = HashKeyRange(.min, .max)

    @inlinable
    public func contains(_ key: HashKey) -> Bool { self.lower <= key && key <= self.upper }

    /// The ranges of a new stream: width floor(2^128 / count), the last one takes the rest
    /// (docs/kinesis-semantics.md, Partition keys and hashing).
    public static func tiling(_ count: Int) -> [HashKeyRange] {
        precondition(count >= 1, "a stream has at least one shard")
        guard count > 1 else { return [.all] }
        let divisor = UInt128(count)
        // 2^128 does not fit: floor(2^128 / n) from floor((2^128 - 1) / n) and its remainder.
        let (quotient, remainder) = UInt128.max.quotientAndRemainder(dividingBy: divisor)
        let width = remainder == divisor - 1 ? quotient + 1 : quotient
        return (0..<count).map { position in
            let lower = width * UInt128(position)
            return HashKeyRange(HashKey(lower), position == count - 1 ? .max : HashKey(lower + width - 1))
        }
    }

    public var description: String { "[\(self.lower), \(self.upper)]" }
}
