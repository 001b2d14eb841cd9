// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// What each worker has to do, as it will be when all that was decided is done.
struct Loads {
    private struct Load {
        let owner: LeaseOwner
        /// Expected owners keep what they have and get nothing.
        let mayGet: Bool
        var weight: UInt64
    }

    private let duties: Duties
    private var loads: [Load] = []
    private var positions: [LeaseOwner: Int] = [:]
    /// Positions of those who may get something, the one with least to do first: a binary heap.
    private var lightest: [Int] = []
    /// Differences below are left alone: a tenth of the average.
    private let indifference: UInt64

    init(_ members: some Collection<Group.Member>, _ duties: Duties) {
        self.duties = duties
        for member in members.sorted(by: { $0.owner.worker < $1.owner.worker }) {
            self.positions[member.owner] = self.loads.count
            self.loads.append(
                Load(owner: member.owner, mayGet: member.hasJoined, weight: duties.weight(of: member.owner)))
        }
        self.indifference = duties.weight / UInt64(max(1, self.loads.count)) / 10
    }

    /// The shard will go from who holds it to `owner`.
    mutating func move(_ shard: ShardNumber, to owner: LeaseOwner) {
        let weight = self.duties.weight(of: shard)
        if case .worker(let holder)? = self.duties.holder(of: shard), let position = self.positions[holder] {
            self.loads[position].weight -= weight
        }
        if let position = self.positions[owner] { self.loads[position].weight += weight }
        self.lightest.removeAll()
    }

    /// Whether anybody may get something.
    var canGive: Bool { self.loads.contains(where: \.mayGet) }

    /// Who has least to do gets the shard, which nobody holds who is there; `nil` when nobody may get it.
    mutating func give(_ shard: ShardNumber) -> LeaseOwner? {
        if self.lightest.isEmpty {
            self.lightest = self.loads.indices.filter { self.loads[$0].mayGet }
            for position in self.lightest.indices.reversed() { self.sink(position) }
        }
        guard let first = self.lightest.first else { return nil }
        self.loads[first].weight += self.duties.weight(of: shard)
        self.sink(0)
        return self.loads[first].owner
    }

    private func isLighter(_ one: Int, _ other: Int) -> Bool {
        let (a, b) = (self.loads[one].weight, self.loads[other].weight)
        return a != b ? a < b : one < other
    }

    private mutating func sink(_ from: Int) {
        var parent = from
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < self.lightest.count {
                if self.isLighter(self.lightest[child], self.lightest[least]) { least = child }
            }
            if least == parent { return }
            self.lightest.swapAt(parent, least)
            parent = least
        }
    }

    struct Move {
        let shard: ShardNumber
        let from: LeaseOwner
        let to: LeaseOwner
    }

    /// The lease whose move makes the heaviest and the lightest worker most alike, if that is worth it.
    func bestMove(not busy: Set<WorkerID>, leaving: Set<ShardNumber>) -> Move? {
        let idle = self.loads.filter { !busy.contains($0.owner.worker) && $0.mayGet }
        guard let from = idle.max(by: { $0.weight < $1.weight }), let to = idle.min(by: { $0.weight < $1.weight }),
            from.weight > to.weight
        else { return nil }
        let difference = from.weight - to.weight
        guard difference > self.indifference else { return nil }
        var best: (shard: ShardNumber, distance: UInt64)?
        for shard in self.duties.shards(of: from.owner) where !leaving.contains(shard) {
            let weight = self.duties.weight(of: shard)
            // After the move the receiver must still have less than the giver had, by more than noise.
            guard weight + self.indifference / 2 < difference else { continue }
            let distance = weight > difference / 2 ? weight - difference / 2 : difference / 2 - weight
            if let known = best, (known.distance, known.shard) < (distance, shard) { continue }
            best = (shard, distance)
        }
        return best.map { Move(shard: $0.shard, from: from.owner, to: to.owner) }
    }
}
