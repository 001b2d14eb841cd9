// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Works out the steps of one resharding: numbers its children, and starts each above all of its parents.
struct ReshardPlan {
    let stream: StreamState
    let atMillis: Int64
    private(set) var steps: [Resharding.Step] = []
    private(set) var childCount = 0

    init(_ stream: StreamState, atMillis: Int64) {
        self.stream = stream
        self.atMillis = atMillis
    }

    /// An open shard that a step may close: one of the stream, or one that an earlier step opened.
    struct Piece {
        let number: ShardNumber
        let range: HashKeyRange
        let creationSecond: UInt64
        let endIndex: UInt64
    }

    /// The piece of an open shard of the stream, with its end from the log.
    func piece(of shard: ShardDescription, nextIndex: (ShardRef) -> UInt64) throws(WeirError) -> Piece {
        let ref = ShardRef(stream: self.stream.id, shard: shard.number)
        let endIndex = nextIndex(ref)
        guard (shard.firstIndex...SequenceNumber.endIndex).contains(endIndex) else {
            throw WeirError(
                .internalFailure,
                "the next index of \(ref) is said to be \(endIndex), and the shard begins at \(shard.firstIndex)",
                verdict: .init(maybeStored: false, retry: .never))
        }
        return Piece(
            number: shard.number, range: shard.range, creationSecond: shard.creationSecond, endIndex: endIndex)
    }

    /// Splits in front of `key`, which is in the range and not its first.
    mutating func split(_ parent: Piece, at key: HashKey) throws(WeirError) -> (lower: Piece, upper: Piece) {
        let ranges = [
            HashKeyRange(parent.range.lower, HashKey(key.value - 1)), HashKeyRange(key, parent.range.upper),
        ]
        let children = try self.open(ranges, after: [parent])
        return (children[0], children[1])
    }

    /// Merges two neighbours, given in either order.
    mutating func merge(_ one: Piece, _ other: Piece) throws(WeirError) -> Piece {
        let range = HashKeyRange(
            min(one.range.lower, other.range.lower), max(one.range.upper, other.range.upper))
        return try self.open([range], after: [one, other])[0]
    }

    /// Leaves exactly `targets`, which tile the key space as `open` does. A shard whose range is a target's stays.
    ///
    /// Goes through the key space once: cuts each shard at the targets' ends, and as soon as the pieces of a target are
    /// complete, joins them. Cuts and joins halve, so creation seconds run ahead by logarithms of the counts only.
    mutating func rescale(
        _ open: [ShardDescription], to targets: [HashKeyRange], nextIndex: (ShardRef) -> UInt64
    ) throws(WeirError) {
        var target = 0
        var pieces: [Piece] = []
        for shard in open {
            if shard.range == targets[target] {
                target += 1
                continue
            }
            var cuts: [HashKey] = []
            var next = target + 1
            while next < targets.count, targets[next].lower <= shard.range.upper {
                cuts.append(targets[next].lower)
                next += 1
            }
            var cut: [Piece] = []
            try self.split(self.piece(of: shard, nextIndex: nextIndex), at: cuts[...], into: &cut)
            for piece in cut {
                pieces.append(piece)
                if piece.range.upper == targets[target].upper {
                    _ = try self.merge(pieces[...])
                    pieces.removeAll(keepingCapacity: true)
                    target += 1
                }
            }
        }
    }

    private mutating func split(
        _ piece: Piece, at cuts: ArraySlice<HashKey>, into pieces: inout [Piece]
    ) throws(WeirError) {
        guard !cuts.isEmpty else {
            pieces.append(piece)
            return
        }
        let middle = cuts.startIndex + cuts.count / 2
        let halves = try self.split(piece, at: cuts[middle])
        try self.split(halves.lower, at: cuts[..<middle], into: &pieces)
        try self.split(halves.upper, at: cuts[(middle + 1)...], into: &pieces)
    }

    private mutating func merge(_ pieces: ArraySlice<Piece>) throws(WeirError) -> Piece {
        if pieces.count == 1 { return pieces[pieces.startIndex] }
        let middle = pieces.startIndex + pieces.count / 2
        return try self.merge(self.merge(pieces[..<middle]), self.merge(pieces[middle...]))
    }

    private mutating func open(_ ranges: [HashKeyRange], after parents: [Piece]) throws(WeirError) -> [Piece] {
        let firstIndex = parents.reduce(0) { max($0, $1.endIndex) }
        let second = max(
            UInt64(self.atMillis) / 1000, parents.reduce(0) { max($0, $1.creationSecond) } + 1)
        let number = UInt64(self.stream.nextShard) + UInt64(self.childCount)
        guard second <= EventTime.secondMax, number + UInt64(ranges.count) <= UInt64(UInt32.max) else {
            throw WeirError(
                .limitExceeded,
                "stream '\(self.stream.name)' cannot be resharded any more: its next shard would be number \(number), "
                    + "created at second \(second); \(UInt32.max - 1) and \(EventTime.secondMax) are the last")
        }
        let pieces = ranges.enumerated().map { offset, range in
            Piece(
                number: ShardNumber(UInt32(number) + UInt32(offset)), range: range, creationSecond: second,
                endIndex: firstIndex)
        }
        self.steps.append(
            Resharding.Step(
                parents: parents.map { .init(number: $0.number, endIndex: $0.endIndex) },
                children: pieces.map {
                    .init(number: $0.number, range: $0.range, creationSecond: second, firstIndex: firstIndex)
                }))
        self.childCount += pieces.count
        return pieces
    }
}
