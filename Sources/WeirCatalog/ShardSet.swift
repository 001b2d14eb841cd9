// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Shards in the order of their numbers. The first few of many cost what a few cost, and so does a copy.
struct ShardSet: Sequence, Sendable {
    private var pages = ShardPages<Bool>()

    init() {}

    init(_ shards: some Sequence<ShardNumber>) {
        for shard in shards { self.insert(shard) }
    }

    var count: Int { self.pages.count }
    var isEmpty: Bool { self.pages.isEmpty }

    func contains(_ shard: ShardNumber) -> Bool { self.pages[shard] != nil }

    mutating func insert(_ shard: ShardNumber) { self.pages[shard] = true }
    mutating func remove(_ shard: ShardNumber) { self.pages[shard] = nil }

    /// By number.
    func makeIterator() -> some IteratorProtocol<ShardNumber> { self.pages.lazy.map(\.key).makeIterator() }
}
