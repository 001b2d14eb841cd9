// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Judges what was read against what was put and acknowledged.
///
/// Feed it every record of the stream in the order in which it was read, then `finish`. The rules:
/// - every acknowledged record lies once where its acknowledgement says, with its key and its bytes;
/// - the records of a shard have consecutive positions from its first one to its end;
/// - the records of a key come in the order in which they were put. A producer that does not know what became of some
///   sends them again in order: then the order may begin again at an earlier one, never skip one, and only where the
///   server had been killed in between; no record lies behind its own acknowledged copy;
/// - children begin when all their parents have ended, and the open shards tile the key space.
package struct HistoryAudit: Sendable {
    private struct KeyState {
        var last: UInt32?
        var lastArrival: Int64 = 0
    }

    private struct ShardSeen {
        var first: UInt64
        var next: UInt64
        /// When its first and last record were read, counted in records.
        var firstAt: Int
        var lastAt: Int
    }

    private struct KeyAndShard: Hashable {
        let producer: Int
        let key: Int
        let shard: ShardNumber
    }

    private let workload: Workload
    private let ledgers: [Ledger.State]
    /// When the server was killed, in milliseconds since 1970.
    private let kills: [Int64]
    private var seen: [[Bool]]
    private var keys: [[KeyState]]
    private var shards: [ShardNumber: ShardSeen] = [:]
    private var keyShards: Set<KeyAndShard> = []
    package private(set) var read = 0
    /// Copies of records beside the one that was acknowledged.
    package private(set) var duplicates = 0
    /// Times that the order of a key began again at an earlier record.
    package private(set) var repeats = 0
    package private(set) var lost = 0
    package private(set) var violations = Violations()

    package init(_ workload: Workload, ledgers: [Ledger.State], killsMillis: [Int64] = []) {
        self.workload = workload
        self.ledgers = ledgers
        self.kills = killsMillis.sorted()
        self.seen = ledgers.map { Array(repeating: false, count: $0.ordinals.count) }
        self.keys = Array(repeating: Array(repeating: KeyState(), count: workload.keys), count: workload.producers)
    }

    package var acknowledged: Int { self.ledgers.reduce(0) { $0 + $1.acknowledged } }

    /// The next record that was read.
    package mutating func take(
        _ place: Place, arrivalMillis: Int64, key: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer
    ) {
        self.read += 1
        self.follow(place)
        guard let (producer, position) = self.workload.origin(data) else {
            self.violations.add("\(place) holds bytes that nobody put (\(data.count) bytes)")
            return
        }
        guard position < self.ledgers[producer].ordinals.count else {
            self.violations.add("\(place) holds record \(position) of producer \(producer), which never put so many")
            return
        }
        let keyNumber = self.workload.key(producer, position)
        if !key.elementsEqual(self.workload.keyText(producer, keyNumber).utf8) {
            self.violations.add("\(place) has the key '\(String(decoding: key, as: UTF8.self))' of another record")
        }
        self.keyShards.insert(KeyAndShard(producer: producer, key: keyNumber, shard: place.shard))
        self.judgeAcknowledgement(place, producer, position)
        self.judgeOrder(place, producer, position, keyNumber, arrivalMillis)
    }

    private mutating func follow(_ place: Place) {
        guard var shard = self.shards[place.shard] else {
            self.shards[place.shard] = ShardSeen(
                first: place.index, next: place.index + 1, firstAt: self.read, lastAt: self.read)
            return
        }
        if place.index != shard.next {
            self.violations.add("\(place) was read where position \(shard.next) should come")
        }
        shard.next = place.index + 1
        shard.lastAt = self.read
        self.shards[place.shard] = shard
    }

    private mutating func judgeAcknowledgement(_ place: Place, _ producer: Int, _ position: Int) {
        let name = "record \(position) of producer \(producer)"
        guard let acknowledged = self.ledgers[producer].place(position) else {
            self.duplicates += 1
            return
        }
        if acknowledged == place {
            if self.seen[producer][position] { self.violations.add("\(name) was read twice at \(place)") }
            self.seen[producer][position] = true
        } else {
            self.duplicates += 1
            if self.seen[producer][position] {
                self.violations.add("\(name) lies at \(place) again, behind its acknowledged copy at \(acknowledged)")
            }
        }
    }

    private mutating func judgeOrder(
        _ place: Place, _ producer: Int, _ position: Int, _ key: Int, _ arrivalMillis: Int64
    ) {
        let ordinal = self.ledgers[producer].ordinals[position]
        let before = self.keys[producer][key]
        self.keys[producer][key] = KeyState(last: ordinal, lastArrival: arrivalMillis)
        let expected = before.last.map { $0 + 1 } ?? 0
        if ordinal == expected { return }
        let name = "key \(self.workload.keyText(producer, key)): record \(ordinal) at \(place)"
        if ordinal > expected {
            self.violations.add("\(name) came before record \(expected)")
            return
        }
        self.repeats += 1
        // Both stamps are of the server's clock, to the millisecond; so is ours of the kill.
        let wasKilled = self.kills.contains { before.lastArrival - 1 <= $0 && $0 <= arrivalMillis + 1 }
        if !wasKilled {
            self.violations.add("\(name) came again behind record \(expected - 1), and nothing was killed in between")
        }
    }

    /// Everything was read.
    package mutating func finish(_ descriptions: [ShardDescription]) {
        for (producer, ledger) in self.ledgers.enumerated() {
            for position in ledger.ordinals.indices {
                guard let place = ledger.place(position), !self.seen[producer][position] else { continue }
                self.lost += 1
                self.violations.add("lost: record \(position) of producer \(producer), acknowledged at \(place)")
            }
        }
        let known = Dictionary(uniqueKeysWithValues: descriptions.map { ($0.number, $0) })
        for (number, shard) in self.shards.sorted(by: { $0.key < $1.key }) {
            guard let description = known[number] else {
                self.violations.add("records of \(number), which is not listed")
                continue
            }
            self.judge(number, shard, description)
        }
        for description in descriptions where self.shards[description.number] == nil {
            if let closed = description.closed, closed.endIndex != description.firstIndex {
                self.violations.add(
                    "\(description.number) ended at \(closed.endIndex), but nothing was read of it")
            }
        }
        self.judgeTiling(descriptions.filter(\.isOpen).sorted { $0.range.lower < $1.range.lower })
        for entry in self.keyShards {
            let text = self.workload.keyText(entry.producer, entry.key)
            let hash = Array(text.utf8).withUnsafeBytes { HashKey(hashing: $0) }
            if let range = known[entry.shard]?.range, !(range.lower <= hash && hash <= range.upper) {
                self.violations.add("key \(text) with hash key \(hash) lies in \(entry.shard), which has \(range)")
            }
        }
    }

    private mutating func judgeTiling(_ open: [ShardDescription]) {
        if open.first?.range.lower != .min || open.last?.range.upper != .max {
            self.violations.add("the open shards do not reach from end to end of the key space")
        }
        for (left, right) in zip(open, open.dropFirst()) where left.range.upper.value &+ 1 != right.range.lower.value {
            self.violations.add("between \(left.number) and \(right.number) lies a gap or an overlap")
        }
    }

    private mutating func judge(_ number: ShardNumber, _ shard: ShardSeen, _ description: ShardDescription) {
        if shard.first != description.firstIndex {
            self.violations.add("\(number) was read from \(shard.first), but begins at \(description.firstIndex)")
        }
        if let closed = description.closed, closed.endIndex != shard.next {
            self.violations.add("\(number) was read to \(shard.next), but ended at \(closed.endIndex)")
        }
        for parent in description.parents {
            if let parentSeen = self.shards[parent], parentSeen.lastAt > shard.firstAt {
                self.violations.add("\(number) began before its parent \(parent) had ended")
            }
        }
    }
}

/// What was found wrong: all of it counted, the first ones in words.
package struct Violations: Sendable {
    package private(set) var count = 0
    package private(set) var first: [String] = []

    package init() {}

    package var isEmpty: Bool { self.count == 0 }

    package mutating func add(_ sentence: @autoclosure () -> String) {
        self.count += 1
        if self.first.count < 20 { self.first.append(sentence()) }
    }

    package mutating func add(_ other: Violations) {
        self.count += other.count
        self.first.append(contentsOf: other.first.prefix(20 - self.first.count))
    }
}
