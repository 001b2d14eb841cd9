// SPDX-License-Identifier: Apache-2.0

/// The open shards of a stream in the order of their ranges: who takes which key. Immutable, so it can be handed out.
public final class ShardMap: Sendable {
    public let stream: StreamID
    /// Rises with every change of the shards.
    public let version: UInt64
    public let shards: [ShardDescription]
    private let lowers: [UInt128]

    /// `open` tile the key space; the catalog guarantees it and this checks it.
    public init(stream: StreamID, version: UInt64, open: [ShardDescription]) {
        self.stream = stream
        self.version = version
        self.shards = open.sorted { $0.range.lower < $1.range.lower }
        self.lowers = self.shards.map { $0.range.lower.value }
        precondition(Self.tiles(self.shards.map(\.range)), "the open shards of \(stream) do not tile the key space")
    }

    /// Whether the ranges, in order, cover 0...2^128-1 without gap or overlap.
    public static func tiles(_ ranges: [HashKeyRange]) -> Bool {
        guard let first = ranges.first, let last = ranges.last, first.lower == .min, last.upper == .max else {
            return false
        }
        return zip(ranges, ranges.dropFirst()).allSatisfy {
            $0.upper < $1.lower && $0.upper.value + 1 == $1.lower.value
        }
    }

    /// Position in `shards` of the shard that takes `key`.
    public func position(of key: HashKey) -> Int {
        self.lowers.withUnsafeBufferPointer { lowers in
            var low = 0
            var count = lowers.count
            while count > 1 {
                let half = count / 2
                if lowers[low + half] <= key.value { low += half }
                count -= half
            }
            return low
        }
    }

    public func shard(for key: HashKey) -> ShardDescription { self.shards[self.position(of: key)] }
}
