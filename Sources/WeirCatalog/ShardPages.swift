// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Values by shard, in the order of the shards' numbers, in pieces: a copy shares every piece that neither it nor the
/// original has changed since. So a table that is kept as it was, for a snapshot or to work on it beside the log, makes
/// the next change copy one piece and not the whole table.
struct ShardPages<Value: Sendable>: BidirectionalCollection, Sendable {
    /// Values of one piece. Two pieces that touch hold a quarter of this together, but for the last, so that there are
    /// few of them.
    static var pieceMax: Int { 64 }

    typealias Element = (key: ShardNumber, value: Value)

    private struct Piece: Sendable {
        /// By number; never empty in a table.
        var entries: [Element]
        var last: ShardNumber

        init(_ entries: [Element]) {
            self.entries = entries
            self.last = entries[entries.count - 1].key
        }

        /// The place of the number, or the one that it would have.
        func offset(of number: ShardNumber) -> Int {
            ShardPages.first(of: self.entries.count) { self.entries[$0].key >= number }
        }

        func holds(_ number: ShardNumber, at offset: Int) -> Bool {
            offset < self.entries.count && self.entries[offset].key == number
        }

        var place: UnsafeRawPointer? { self.entries.withUnsafeBytes { $0.baseAddress } }
    }

    struct Index: Hashable, Comparable, Sendable {
        fileprivate let piece: Int
        fileprivate let offset: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.piece, left.offset) < (right.piece, right.offset)
        }
    }

    private var pieces: [Piece] = []
    private(set) var count = 0

    init() {}

    // MARK: Reading

    var startIndex: Index { Index(piece: 0, offset: 0) }
    var endIndex: Index { Index(piece: self.pieces.count, offset: 0) }

    subscript(position: Index) -> Element { self.pieces[position.piece].entries[position.offset] }

    func index(after index: Index) -> Index {
        index.offset + 1 < self.pieces[index.piece].entries.count
            ? Index(piece: index.piece, offset: index.offset + 1) : Index(piece: index.piece + 1, offset: 0)
    }

    func index(before index: Index) -> Index {
        index.offset > 0
            ? Index(piece: index.piece, offset: index.offset - 1)
            : Index(piece: index.piece - 1, offset: self.pieces[index.piece - 1].entries.count - 1)
    }

    /// The first index whose number is `number` or more.
    func index(from number: ShardNumber) -> Index {
        let piece = self.piece(of: number)
        guard piece < self.pieces.count else { return self.endIndex }
        return Index(piece: piece, offset: self.pieces[piece].offset(of: number))
    }

    /// The piece that holds the number, or that would take it; the end when it is above all.
    private func piece(of number: ShardNumber) -> Int {
        Self.first(of: self.pieces.count) { self.pieces[$0].last >= number }
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

    /// The value of that shard; `nil` takes it away.
    subscript(number: ShardNumber) -> Value? {
        get {
            let piece = self.piece(of: number)
            guard piece < self.pieces.count else { return nil }
            let offset = self.pieces[piece].offset(of: number)
            return self.pieces[piece].holds(number, at: offset) ? self.pieces[piece].entries[offset].value : nil
        }
        set {
            if let newValue { self.put(number, newValue) } else { self.remove(number) }
        }
    }

    private mutating func put(_ number: ShardNumber, _ value: Value) {
        let piece = self.piece(of: number)
        guard piece < self.pieces.count else { return self.append(number, value) }
        let offset = self.pieces[piece].offset(of: number)
        if self.pieces[piece].holds(number, at: offset) {
            self.pieces[piece].entries[offset].value = value
            return
        }
        self.count += 1
        self.pieces[piece].entries.insert((number, value), at: offset)
        let entries = self.pieces[piece].entries
        guard entries.count > Self.pieceMax else { return }
        let half = entries.count / 2
        self.pieces[piece] = Piece(Array(entries[..<half]))
        self.pieces.insert(Piece(Array(entries[half...])), at: piece + 1)
    }

    private mutating func append(_ number: ShardNumber, _ value: Value) {
        self.count += 1
        let end = self.pieces.count - 1
        if end >= 0, self.pieces[end].entries.count < Self.pieceMax {
            self.pieces[end].entries.append((number, value))
            self.pieces[end].last = number
        } else {
            self.pieces.append(Piece([(number, value)]))
        }
    }

    private mutating func remove(_ number: ShardNumber) {
        let piece = self.piece(of: number)
        guard piece < self.pieces.count else { return }
        let offset = self.pieces[piece].offset(of: number)
        guard self.pieces[piece].holds(number, at: offset) else { return }
        self.count -= 1
        self.pieces[piece].entries.remove(at: offset)
        guard let last = self.pieces[piece].entries.last else {
            self.pieces.remove(at: piece)
            return
        }
        self.pieces[piece].last = last.key
        if self.pieces[piece].entries.count >= Self.pieceMax / 4 { return }
        self.join(piece, piece + 1)
        self.join(piece - 1, piece)
    }

    /// Makes one of two pieces that touch, where they fit into one.
    private mutating func join(_ one: Int, _ next: Int) {
        guard one >= 0, next < self.pieces.count,
            self.pieces[one].entries.count + self.pieces[next].entries.count <= Self.pieceMax
        else { return }
        self.pieces[one] = Piece(self.pieces[one].entries + self.pieces[next].entries)
        self.pieces.remove(at: next)
    }

    // MARK: Sharing

    /// What this table has in pieces that `other` does not share: all that can be different in it, and what the changes
    /// since the one was a copy of the other have copied.
    func apart(from other: Self) -> [Element] {
        let shared = Set(other.pieces.map(\.place))
        return self.pieces.filter { !shared.contains($0.place) }.flatMap(\.entries)
    }

    var pieceCount: Int { self.pieces.count }
}
