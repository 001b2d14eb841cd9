// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// The rows of an application, by the number of their shard. To copy it costs nothing, and the next change of either
/// copy costs what is changed and not what there is.
package struct LeaseRows: BidirectionalCollection, ExpressibleByDictionaryLiteral, Sendable {
    package typealias Element = (key: ShardNumber, value: LeaseRow)

    package struct Index: Hashable, Comparable, Sendable {
        fileprivate let place: ShardPages<LeaseRow>.Index

        package static func < (left: Self, right: Self) -> Bool { left.place < right.place }
    }

    private var pages = ShardPages<LeaseRow>()

    package init() {}

    package init(dictionaryLiteral elements: (ShardNumber, LeaseRow)...) {
        for (shard, row) in elements { self[shard] = row }
    }

    package var count: Int { self.pages.count }
    package var startIndex: Index { Index(place: self.pages.startIndex) }
    package var endIndex: Index { Index(place: self.pages.endIndex) }
    package subscript(position: Index) -> Element { self.pages[position.place] }
    package func index(after index: Index) -> Index { Index(place: self.pages.index(after: index.place)) }
    package func index(before index: Index) -> Index { Index(place: self.pages.index(before: index.place)) }

    package subscript(shard: ShardNumber) -> LeaseRow? {
        get { self.pages[shard] }
        set { self.pages[shard] = newValue }
    }

    package var keys: some Collection<ShardNumber> { self.lazy.map(\.key) }
    package var values: some Collection<LeaseRow> { self.lazy.map(\.value) }

    /// The rows of this shard and those behind it.
    package func suffix(from shard: ShardNumber) -> SubSequence { self[Index(place: self.pages.index(from: shard))...] }

    /// All that can be different from an earlier copy, and what the changes since have copied.
    package func apart(from other: LeaseRows) -> [Element] { self.pages.apart(from: other.pages) }

    /// In how many pieces they are.
    var pieceCount: Int { self.pages.pieceCount }
}

extension LeaseRows: Equatable {
    package static func == (left: LeaseRows, right: LeaseRows) -> Bool {
        left.count == right.count && zip(left, right).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    }
}
