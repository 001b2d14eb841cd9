// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Shards of an application whose row came, went, changed its owner or was finished since they were last taken. When
/// all rows have changed at once, that is one note, and they are taken by and by.
struct LeaseNews: Sendable {
    private var shards: Set<ShardNumber> = []
    /// Every row of this shard and those behind it.
    private var rest: ShardNumber?

    static var everything: Self {
        var news = Self()
        news.insertEverything()
        return news
    }

    var isEmpty: Bool { self.shards.isEmpty && self.rest == nil }

    mutating func insert(_ shard: ShardNumber) { self.shards.insert(shard) }

    mutating func insertEverything() { self.rest = ShardNumber(0) }

    mutating func take(atMost max: Int, of rows: LeaseRows) -> Set<ShardNumber> {
        var taken: Set<ShardNumber>
        if self.shards.count <= max {
            taken = self.shards
            self.shards = []
        } else {
            taken = Set(self.shards.prefix(max))
            self.shards.subtract(taken)
        }
        guard let rest = self.rest, taken.count < max else { return taken }
        let behind = rows.suffix(from: rest).prefix(max - taken.count)
        for (shard, _) in behind { taken.insert(shard) }
        self.rest = behind.endIndex == rows.endIndex ? nil : rows[behind.endIndex].key
        return taken
    }
}
