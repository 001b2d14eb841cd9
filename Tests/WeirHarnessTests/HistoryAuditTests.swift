// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirHarness

/// The judge is judged: histories that are right, and one of each kind that is not.
struct HistoryAuditTests {
    /// A stream of one producer as it should be, to be spoiled.
    private struct History {
        let workload = Workload(seed: 5, producers: 1, keys: 4, bytes: 16...40)
        let ledger: Ledger
        /// In the order of reading: which record lies where, and when it came.
        var records: [(position: Int, place: Place, arrival: Int64)] = []
        var shards: [ShardDescription]
        var kills: [Int64] = []

        init(_ count: Int = 40) {
            self.ledger = Ledger(self.workload, producer: 0)
            self.shards = [History.shard(0, first: 0)]
            for position in 0..<count {
                precondition(self.ledger.next() == position)
                let place = Place(shard: ShardNumber(0), index: UInt64(position))
                self.ledger.acknowledge(position, at: place)
                self.records.append((position, place, Int64(position)))
            }
        }

        static func shard(
            _ number: UInt32, first: UInt64, parents: [UInt32] = [], end: UInt64? = nil, range: HashKeyRange = .all
        ) -> ShardDescription {
            ShardDescription(
                number: ShardNumber(number), range: range, parents: parents.map { ShardNumber($0) }, creationSecond: 1,
                firstIndex: first, createdAtMillis: 0,
                closed: end.map { ShardDescription.Closing(endIndex: $0, atMillis: 0, children: []) })
        }

        func judge(_ change: (Int, inout String, inout [UInt8]) -> Void = { _, _, _ in }) -> HistoryAudit {
            var audit = HistoryAudit(self.workload, ledgers: [self.ledger.snapshot], killsMillis: self.kills)
            for record in self.records {
                var key = self.workload.keyText(0, self.workload.key(0, record.position))
                var data = self.workload.data(0, record.position)
                change(record.position, &key, &data)
                Array(key.utf8).withUnsafeBytes { key in
                    data.withUnsafeBytes { data in
                        audit.take(record.place, arrivalMillis: record.arrival, key: key, data: data)
                    }
                }
            }
            audit.finish(self.shards)
            return audit
        }

        /// The records from `from` on lie one place later, so that something fits in before them.
        mutating func shift(_ from: Int, acknowledged: Bool = true) {
            for position in from..<self.records.count {
                let place = self.records[position].place
                self.records[position].place = Place(shard: place.shard, index: place.index + 1)
                if acknowledged {
                    self.ledger.acknowledge(self.records[position].position, at: self.records[position].place)
                }
            }
        }
    }

    @Test func acceptsWhatIsRight() {
        let audit = History().judge()
        #expect(audit.violations.isEmpty, "\(audit.violations.first)")
        #expect(audit.acknowledged == 40 && audit.read == 40 && audit.lost == 0 && audit.duplicates == 0)
    }

    @Test func findsALostRecordAtTheEnd() {
        var history = History()
        history.records.removeLast()
        let audit = history.judge()
        #expect(audit.lost == 1)
        #expect(!audit.violations.isEmpty)
    }

    @Test func findsALostRecordInTheMiddleThoughTheOthersMovedUp() {
        var history = History()
        history.records.remove(at: 10)
        for position in 10..<history.records.count {
            history.records[position].place = Place(shard: ShardNumber(0), index: UInt64(position))
        }
        #expect(history.judge().lost == 30)
    }

    @Test func findsAHoleInTheNumbers() {
        var history = History()
        history.shift(10)
        let audit = history.judge()
        #expect(audit.lost == 0)
        #expect(audit.violations.first.contains { $0.contains("position 10 should come") }, "\(audit.violations.first)")
    }

    @Test func findsAFlippedBitOfTheData() {
        for bit in [0, 40, 70, 127] {
            let audit = History().judge { position, _, data in
                if position == 17 { data[bit / 8] ^= 1 << UInt8(bit % 8) }
            }
            #expect(!audit.violations.isEmpty, "bit \(bit)")
        }
    }

    @Test func findsAForeignKey() {
        let audit = History().judge { position, key, _ in if position == 3 { key += "x" } }
        #expect(audit.violations.count == 1)
    }

    @Test func findsTwoRecordsOfAKeyInTheWrongOrder() {
        var history = History()
        let keys = (0..<40).map { history.workload.key(0, $0) }
        // Two records of one key with nothing between them that is of it.
        let later = (1..<40).first { keys[..<$0].contains(keys[$0]) } ?? 1
        let earlier = keys[..<later].lastIndex(of: keys[later]) ?? 0
        history.records[earlier].position = later
        history.records[later].position = earlier
        history.ledger.acknowledge(later, at: history.records[earlier].place)
        history.ledger.acknowledge(earlier, at: history.records[later].place)
        let audit = history.judge()
        #expect(audit.lost == 0)
        #expect(audit.violations.first.contains { $0.contains("came before") }, "\(audit.violations.first)")
    }

    /// Position 20 was stored, its answer was lost with the server, and it was stored again.
    private static func repeated(killed: Bool, behind: Bool = false) -> History {
        var history = History()
        let again = history.records[20]
        history.shift(21)
        history.records.insert((20, Place(shard: ShardNumber(0), index: 21), 21), at: 21)
        for position in 22..<history.records.count { history.records[position].arrival += 1 }
        if !behind { history.ledger.acknowledge(20, at: Place(shard: again.place.shard, index: 21)) }
        if killed { history.kills = [20] }
        return history
    }

    @Test func acceptsARepeatAfterAKill() {
        let audit = Self.repeated(killed: true).judge()
        #expect(audit.violations.isEmpty, "\(audit.violations.first)")
        #expect(audit.duplicates == 1 && audit.repeats == 1 && audit.read == 41)
    }

    @Test func findsARepeatWithoutAKill() {
        #expect(Self.repeated(killed: false).judge().violations.count == 1)
    }

    @Test func findsACopyBehindItsAcknowledgement() {
        let audit = Self.repeated(killed: true, behind: true).judge()
        #expect(audit.violations.first.contains { $0.contains("behind its acknowledged copy") })
    }

    @Test func findsARepeatThatGoesOnTooFar() {
        // Record 20 came again, and what followed it in its key does not follow it again in order.
        var history = Self.repeated(killed: true)
        let key = history.workload.key(0, 20)
        let next = (22..<history.records.count).first { history.workload.key(0, history.records[$0].position) == key }
        let skipped = next ?? 22
        let after = (skipped + 1..<history.records.count).first {
            history.workload.key(0, history.records[$0].position) == key
        }
        let other = after ?? skipped + 1
        (history.records[skipped].position, history.records[other].position) =
            (history.records[other].position, history.records[skipped].position)
        #expect(!history.judge().violations.isEmpty)
    }

    @Test func findsBytesThatNobodyPut() {
        var history = History()
        history.records.append((99, Place(shard: ShardNumber(0), index: 40), 40))
        #expect(!history.judge().violations.isEmpty)
    }

    @Test func findsAShardThatWasReadShort() {
        var history = History()
        let rest = History.shard(2, first: 40)
        history.shards = [History.shard(0, first: 0, end: 41), rest]
        #expect(history.judge().violations.count == 1)
        history.shards = [History.shard(0, first: 0, end: 40), History.shard(1, first: 3, end: 9), rest]
        #expect(history.judge().violations.count == 1)
    }

    @Test func findsAChildThatBeganBeforeItsParentHadEnded() {
        func history(parentLast: Int) -> History {
            var history = History()
            let moved = 10..<40
            for position in moved {
                let place = Place(shard: ShardNumber(1), index: UInt64(position))
                history.records[position].place = place
                history.ledger.acknowledge(position, at: place)
            }
            let last = history.records.remove(at: 9)
            history.records.insert(last, at: parentLast)
            history.shards = [History.shard(0, first: 0, end: 10), History.shard(1, first: 10, parents: [0])]
            return history
        }
        #expect(history(parentLast: 9).judge().violations.isEmpty)
        let early = history(parentLast: 12).judge()
        #expect(early.violations.first.contains { $0.contains("before its parent") }, "\(early.violations.first)")
    }

    @Test func findsOpenShardsThatLeaveAGapOrOverlap() {
        let middle = HashKey(1 << 100)
        for (upper, lower, isRight) in [
            (HashKey(middle.value - 1), middle, true), (middle, middle, false), (HashKey(5), middle, false),
            (HashKey.max, HashKey.max, false),
        ] {
            var history = History()
            history.shards = [
                History.shard(0, first: 0, end: 40),
                History.shard(1, first: 40, parents: [0], range: HashKeyRange(.min, upper)),
                History.shard(2, first: 40, parents: [0], range: HashKeyRange(lower, .max)),
            ]
            #expect(history.judge().violations.isEmpty == isRight, "\(upper) \(lower)")
        }
    }

    @Test func findsAKeyInTheWrongShard() {
        var history = History()
        history.shards = [History.shard(0, first: 0, range: HashKeyRange(.min, HashKey(5)))]
        #expect(!history.judge().violations.isEmpty)
    }
}
