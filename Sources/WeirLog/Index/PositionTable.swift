// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where each shard goes on by what is durable: the index that its next record gets. In pieces, so that a copy of the
/// table, which is what a snapshot stores of it, costs nothing when it is taken, and later one piece for each that
/// changes. No I/O.
package struct PositionTable: Sendable {
    /// Shards of one piece.
    package static let pieceMax = 512

    /// A place in the table, valid until it is given back.
    package struct Slot: Hashable, Sendable {
        fileprivate let rawValue: Int
    }

    private enum Entry: Sendable {
        case shard(SnapshotFile.Position)
        /// Given back. The places that were form a list; the last of them has no next one.
        case free(next: Slot?)
    }

    private var pieces: [[Entry]] = []
    private var firstFree: Slot?
    package private(set) var count = 0

    package init() {}

    /// A shard comes, and goes on at `nextIndex`.
    package mutating func add(_ stream: StreamID, _ shard: ShardNumber, nextIndex: UInt64) -> Slot {
        let entry = Entry.shard(.init(stream: stream, shard: shard, nextIndex: nextIndex))
        self.count += 1
        if let slot = self.firstFree {
            guard case .free(let next) = self[slot] else { preconditionFailure("a free place holds no shard") }
            self.firstFree = next
            self[slot] = entry
            return slot
        }
        if self.pieces.last.map({ $0.count >= Self.pieceMax }) ?? true { self.pieces.append([]) }
        let last = self.pieces.count - 1
        self.pieces[last].append(entry)
        return Slot(rawValue: last * Self.pieceMax + self.pieces[last].count - 1)
    }

    /// Records of the shard up to `nextIndex` are durable.
    package mutating func set(_ slot: Slot, nextIndex: UInt64) {
        guard case .shard(let position) = self[slot] else {
            preconditionFailure("a shard that has gone gets no record")
        }
        self[slot] = .shard(.init(stream: position.stream, shard: position.shard, nextIndex: nextIndex))
    }

    /// That the shard has gone is durable.
    package mutating func remove(_ slot: Slot) {
        guard case .shard = self[slot] else { preconditionFailure("a place in the table is given back once") }
        self[slot] = .free(next: self.firstFree)
        self.firstFree = slot
        self.count -= 1
    }

    /// `nil`: the place was given back.
    package func position(at slot: Slot) -> SnapshotFile.Position? {
        if case .shard(let position) = self[slot] { position } else { nil }
    }

    /// In no order.
    package var positions: [SnapshotFile.Position] {
        self.pieces.flatMap { piece in
            piece.compactMap { entry in
                if case .shard(let position) = entry { position } else { nil }
            }
        }
    }

    /// Places in pieces that `other` does not share: what the changes since one was copied of the other have copied.
    package func count(apartFrom other: PositionTable) -> Int {
        let shared = Set(other.pieces.map { Self.place($0) })
        return self.pieces.reduce(0) { shared.contains(Self.place($1)) ? $0 : $0 + $1.count }
    }

    private subscript(slot: Slot) -> Entry {
        get { self.pieces[slot.rawValue / Self.pieceMax][slot.rawValue % Self.pieceMax] }
        set { self.pieces[slot.rawValue / Self.pieceMax][slot.rawValue % Self.pieceMax] = newValue }
    }

    private static func place(_ piece: [Entry]) -> UInt {
        piece.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
    }
}
