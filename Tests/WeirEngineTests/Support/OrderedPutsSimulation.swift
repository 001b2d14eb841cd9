// SPDX-License-Identifier: Apache-2.0
import WeirEngine
import WeirModel
import WeirTestKit

/// A client that follows the rules of ordered puts, a server that refuses, skips, splits, merges and loses commits as
/// its seed wants it, and a network between them. What must hold in the end: of every key each record is stored, and
/// without second copies they are in order.
struct OrderedPutsSimulation {
    struct Record {
        let key: Int
        let number: Int
    }

    struct Put {
        let sequence: UInt64
        let seenThrough: UInt64
        /// By the client's map; `nil` leaves the routing to the server.
        let groups: [(shard: Int?, records: [Record])]
    }

    /// Records admitted to a commit that is not durable yet, by shard, and what was refused beside them.
    struct Commit {
        let sequence: UInt64
        let admitted: [(shard: Int, records: [Record])]
        let refused: [Record]
    }

    static let keys = 12
    static let recordsPerKey = 40
    static let stream = StreamID(1)

    var random: SplitMix64
    /// Whether the server asks `mayAdmit`: a server that does not must be caught.
    let asksMayAdmit: Bool
    let asksAncestors: Bool

    // Server
    var ordered = OrderedPuts()
    var owner = (0..<keys).map { $0 / 3 }
    var parents: [Int: [Int]] = [:]
    var nextShard = 4
    var commits: [Commit] = []
    var stored = [[Int]](repeating: [], count: keys)
    /// Faults stop after a while, so that the rest can finish.
    var isHealthy = false

    // Client
    var map = (0..<keys).map { $0 / 3 }
    var unsent = [[Int]](repeating: Array(0..<recordsPerKey), count: keys)
    var lastSequence: UInt64 = 0
    var outstanding: Set<UInt64> = []

    // Network: to the server in order, back in any order.
    var puts: [Put] = []
    var answers: [(sequence: UInt64, refused: [Record])] = []

    init(seed: UInt64, asksMayAdmit: Bool = true, asksAncestors: Bool = true) {
        self.random = SplitMix64(seed: seed)
        self.asksMayAdmit = asksMayAdmit
        self.asksAncestors = asksAncestors
    }

    /// Whether all arrived in order; `nil` when it did not come to an end.
    mutating func run() throws(WeirError) -> Bool? {
        for step in 0..<200_000 {
            self.isHealthy = step > 2000
            switch Int.random(in: 0..<100, using: &self.random) {
            case 0..<30: self.send()
            case 30..<60: try self.receivePut()
            case 60..<75: self.commit()
            case 75..<95: self.receiveAnswer()
            case 95: if !self.isHealthy { self.failCommits() }
            case 96: if !self.isHealthy { self.reshard() }
            default: self.map = self.owner
            }
            if self.unsent.allSatisfy(\.isEmpty), self.outstanding.isEmpty { return self.isInOrder }
        }
        return nil
    }

    private var isInOrder: Bool {
        self.stored.allSatisfy { numbers in
            var seen: Set<Int> = []
            return numbers.filter { seen.insert($0).inserted } == Array(0..<Self.recordsPerKey)
        }
    }

    private mutating func chance(_ percent: Int) -> Bool {
        !self.isHealthy && Int.random(in: 0..<100, using: &self.random) < percent
    }
}

// MARK: - The client

extension OrderedPutsSimulation {
    private mutating func send() {
        guard self.outstanding.count < 8 else { return }
        var records: [Record] = []
        for key in 0..<Self.keys where Bool.random(using: &self.random) {
            let count = min(self.unsent[key].count, Int.random(in: 0...3, using: &self.random))
            records += self.unsent[key].prefix(count).map { Record(key: key, number: $0) }
            self.unsent[key].removeFirst(count)
        }
        if records.isEmpty { return }
        let seenThrough = self.outstanding.min().map { $0 - 1 } ?? self.lastSequence
        self.lastSequence += UInt64.random(in: 1...3, using: &self.random)
        self.outstanding.insert(self.lastSequence)
        let routed = Int.random(in: 0..<4, using: &self.random) == 0
        let map = self.map
        let groups = routed ? [(nil, records)] : Self.grouped(records) { map[$0.key] }.map { (Optional($0.0), $0.1) }
        self.puts.append(Put(sequence: self.lastSequence, seenThrough: seenThrough, groups: groups))
    }

    private mutating func receiveAnswer() {
        guard let position = self.answers.indices.randomElement(using: &self.random) else { return }
        let answer = self.answers.remove(at: position)
        self.outstanding.remove(answer.sequence)
        for record in answer.refused {
            let place = self.unsent[record.key].firstIndex { $0 > record.number } ?? self.unsent[record.key].endIndex
            self.unsent[record.key].insert(record.number, at: place)
        }
    }

    private static func grouped(_ records: [Record], by shard: (Record) -> Int) -> [(Int, [Record])] {
        var groups: [(Int, [Record])] = []
        for record in records {
            let number = shard(record)
            if let position = groups.firstIndex(where: { $0.0 == number }) {
                groups[position].1.append(record)
            } else {
                groups.append((number, [record]))
            }
        }
        return groups
    }
}

// MARK: - The server

extension OrderedPutsSimulation {
    private mutating func receivePut() throws(WeirError) {
        guard !self.puts.isEmpty else { return }
        let put = self.puts.removeFirst()
        if self.chance(5) {
            self.ordered.skipped()
            self.answers.append((put.sequence, put.groups.flatMap(\.records)))
            return
        }
        try self.ordered.begin(sequence: put.sequence, seenThrough: put.seenThrough)
        var admitted: [(shard: Int, records: [Record])] = []
        var refused: [Record] = []
        for group in put.groups {
            let owner = self.owner
            let parts = group.shard.map { [($0, group.records)] } ?? Self.grouped(group.records) { owner[$0.key] }
            for (shard, records) in parts {
                let count = self.admissible(put, shard, records)
                if count > 0 { admitted.append((shard, Array(records.prefix(count)))) }
                if count < records.count {
                    refused += records.dropFirst(count)
                    self.ordered.refused(Self.name(shard), sequence: put.sequence)
                }
            }
        }
        if admitted.isEmpty {
            self.answers.append((put.sequence, refused))
        } else {
            self.commits.append(Commit(sequence: put.sequence, admitted: admitted, refused: refused))
        }
    }

    /// How many of the records, from the first, the shard takes.
    private mutating func admissible(_ put: Put, _ shard: Int, _ records: [Record]) -> Int {
        guard records.allSatisfy({ self.owner[$0.key] == shard }) else { return 0 }
        let ancestors = self.asksAncestors ? self.ancestors(shard) : []
        let may = self.ordered.mayAdmit(
            Self.name(shard), sequence: put.sequence, seenThrough: put.seenThrough, ancestors: { ancestors })
        guard may || !self.asksMayAdmit else { return 0 }
        return self.chance(20) ? Int.random(in: 0...records.count, using: &self.random) : records.count
    }

    private mutating func commit() {
        guard !self.commits.isEmpty else { return }
        let commit = self.commits.removeFirst()
        self.store(commit)
        self.answers.append((commit.sequence, commit.refused))
    }

    private mutating func store(_ commit: Commit) {
        for record in commit.admitted.flatMap(\.records) { self.stored[record.key].append(record.number) }
    }

    /// The write failed: what recovery finds is a prefix, and nobody is told which.
    private mutating func failCommits() {
        for commit in self.commits.prefix(Int.random(in: 0...self.commits.count, using: &self.random)) {
            self.store(commit)
        }
        for commit in self.commits {
            for (shard, _) in commit.admitted { self.ordered.refused(Self.name(shard), sequence: commit.sequence) }
            self.answers.append((commit.sequence, commit.refused + commit.admitted.flatMap(\.records)))
        }
        self.commits = []
    }

    /// Splits a shard, or merges two neighbours.
    private mutating func reshard() {
        let shard = self.owner[Int.random(in: 0..<Self.keys, using: &self.random)]
        let keys = self.owner.indices.filter { self.owner[$0] == shard }
        if keys.count > 1 {
            for (position, key) in keys.enumerated() {
                self.owner[key] = self.nextShard + (position < keys.count / 2 ? 0 : 1)
            }
            for child in [self.nextShard, self.nextShard + 1] { self.parents[child] = [shard] }
            self.nextShard += 2
        } else if let last = keys.last, last + 1 < Self.keys {
            let other = self.owner[last + 1]
            for key in self.owner.indices where [shard, other].contains(self.owner[key]) {
                self.owner[key] = self.nextShard
            }
            self.parents[self.nextShard] = [shard, other]
            self.nextShard += 1
        }
    }

    private func ancestors(_ shard: Int) -> [ShardNumber] {
        (self.parents[shard] ?? []).flatMap { [ShardNumber(UInt32($0))] + self.ancestors($0) }
    }

    private static func name(_ shard: Int) -> ShardRef {
        ShardRef(stream: Self.stream, shard: ShardNumber(UInt32(shard)))
    }
}
