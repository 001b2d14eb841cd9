// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// The listed shards of a stream, by number, in pieces: a copy shares every piece that neither it nor the original has
/// changed since. So a catalog that is kept as it was, for readers or for a snapshot, makes the next split copy two
/// pieces and not the whole list.
package struct ShardList: BidirectionalCollection, Sendable {
    /// Shards of one piece. Two pieces that touch hold more than this together, so there are few of them.
    package static let pieceMax = 256

    private struct Piece: Sendable {
        /// By number; never empty in a list.
        var shards: [ShardDescription]
        /// No shard of it was closed before, in milliseconds since 1970; `max` when all are open.
        var firstClosedMillis: Int64

        init(_ shards: [ShardDescription]) {
            self.shards = shards
            self.firstClosedMillis = shards.reduce(.max) { Swift.min($0, $1.closed?.atMillis ?? .max) }
        }

        var lastNumber: ShardNumber { self.shards[self.shards.count - 1].number }

        mutating func append(_ shard: ShardDescription) {
            self.shards.append(shard)
            self.firstClosedMillis = Swift.min(self.firstClosedMillis, shard.closed?.atMillis ?? .max)
        }

        mutating func replace(at offset: Int, with shard: ShardDescription) {
            self.shards[offset] = shard
            self.firstClosedMillis = Swift.min(self.firstClosedMillis, shard.closed?.atMillis ?? .max)
        }
    }

    package struct Index: Hashable, Comparable, Sendable {
        fileprivate let piece: Int
        fileprivate let offset: Int

        package static func < (left: Self, right: Self) -> Bool {
            (left.piece, left.offset) < (right.piece, right.offset)
        }
    }

    private var pieces: [Piece] = []
    package private(set) var count = 0

    init() {}

    /// Of shards in the order of their numbers.
    init(_ shards: some Sequence<ShardDescription>) {
        for shard in shards { self.append(shard) }
    }

    // MARK: Reading

    package var startIndex: Index { Index(piece: 0, offset: 0) }
    package var endIndex: Index { Index(piece: self.pieces.count, offset: 0) }

    package subscript(position: Index) -> ShardDescription { self.pieces[position.piece].shards[position.offset] }

    package func index(after index: Index) -> Index {
        index.offset + 1 < self.pieces[index.piece].shards.count
            ? Index(piece: index.piece, offset: index.offset + 1) : Index(piece: index.piece + 1, offset: 0)
    }

    package func index(before index: Index) -> Index {
        index.offset > 0
            ? Index(piece: index.piece, offset: index.offset - 1)
            : Index(piece: index.piece - 1, offset: self.pieces[index.piece - 1].shards.count - 1)
    }

    /// The shard of that number.
    subscript(number: ShardNumber) -> ShardDescription? { self.index(of: number).map { self[$0] } }

    /// The shards behind `number`, all without one.
    func suffix(after number: ShardNumber?) -> SubSequence {
        guard let number else { return self[...] }
        return self[self.boundary { $0 > number }...]
    }

    /// The closed shards that were closed at `millis` or before. Looks only into pieces that may hold one.
    func closed(upTo millis: Int64) -> [ShardNumber] {
        var found: [ShardNumber] = []
        for piece in self.pieces where piece.firstClosedMillis <= millis {
            for shard in piece.shards {
                if let closed = shard.closed, closed.atMillis <= millis { found.append(shard.number) }
            }
        }
        return found
    }

    private func index(of number: ShardNumber) -> Index? {
        let index = self.boundary { $0 >= number }
        return index < self.endIndex && self[index].number == number ? index : nil
    }

    /// The first index whose number satisfies `condition`, which holds for all after it.
    private func boundary(where condition: (ShardNumber) -> Bool) -> Index {
        let piece = Self.first(of: self.pieces.count) { condition(self.pieces[$0].lastNumber) }
        guard piece < self.pieces.count else { return self.endIndex }
        let shards = self.pieces[piece].shards
        return Index(piece: piece, offset: Self.first(of: shards.count) { condition(shards[$0].number) })
    }

    private static func first(of count: Int, where satisfies: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = low + (high - low) / 2
            if satisfies(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    // MARK: Changing

    /// `shard` has a higher number than all.
    mutating func append(_ shard: ShardDescription) {
        let end = self.pieces.count - 1
        precondition(end < 0 || self.pieces[end].lastNumber < shard.number, "shards are listed by number")
        if end >= 0, self.pieces[end].shards.count < Self.pieceMax {
            self.pieces[end].append(shard)
        } else {
            self.pieces.append(Piece([shard]))
        }
        self.count += 1
    }

    /// Takes the place of the shard of its number.
    mutating func replace(_ shard: ShardDescription) {
        guard let index = self.index(of: shard.number) else {
            preconditionFailure("\(shard.number) is replaced and not listed")
        }
        self.pieces[index.piece].replace(at: index.offset, with: shard)
    }

    /// Takes listed shards off; `numbers` in their order.
    mutating func remove(_ numbers: [ShardNumber]) {
        var kept: [Piece] = []
        kept.reserveCapacity(self.pieces.count)
        var rest = numbers[...]
        var count = 0
        for piece in self.pieces {
            let last = piece.lastNumber
            let here = rest.prefix { $0 <= last }
            rest = rest.dropFirst(here.count)
            var left = piece
            if !here.isEmpty {
                let gone = Set(here)
                left = Piece(piece.shards.filter { !gone.contains($0.number) })
            }
            count += left.shards.count
            let end = kept.count - 1
            if left.shards.isEmpty { continue }
            if end >= 0, kept[end].shards.count + left.shards.count <= Self.pieceMax {
                kept[end] = Piece(kept[end].shards + left.shards)
            } else {
                kept.append(left)
            }
        }
        self.pieces = kept
        self.count = count
    }

    // MARK: Sharing

    /// Shards in pieces that `other` does not share: what the change from the one to the other has copied.
    func count(apartFrom other: ShardList) -> Int {
        let shared = Set(other.pieces.map { Self.place($0) })
        return self.pieces.reduce(0) { shared.contains(Self.place($1)) ? $0 : $0 + $1.shards.count }
    }

    var pieceCount: Int { self.pieces.count }

    private static func place(_ piece: Piece) -> UnsafePointer<ShardDescription>? {
        piece.shards.withUnsafeBufferPointer { $0.baseAddress }
    }
}
