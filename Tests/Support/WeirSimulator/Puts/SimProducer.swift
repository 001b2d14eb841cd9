// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirTestKit

/// A producer and its connection: it numbers the records of each of its keys, keeps several puts under way, and sends
/// again what was refused or is unknown, before anything that comes after it.
final class SimProducer: LaneMember {
    /// One record that the producer wants stored.
    struct Item {
        /// Of its key, from 0.
        let number: Int
        let length: Int
        var isFlying = false
    }

    struct Sent {
        let sequence: UInt64
        let records: [(key: Int, number: Int)]
    }

    /// An answer that waits for the log.
    private struct Held {
        let mark: Mark
        let sequence: UInt64
        let fates: [Fate]
    }

    unowned let load: Load
    let number: Int
    private(set) var caller: LaneCaller!
    private var lane: Lane!
    /// Of each key: what is not yet acknowledged, in order.
    private(set) var items: [Int: [Item]] = [:]
    private var numbers: [Int: Int] = [:]
    private var sequence: UInt64 = 0
    private var flying: [UInt64: Sent] = [:]
    private var held: [Held] = []
    /// How often it has connected: answers do not outlive their connection.
    private var connections = 0
    private var clientMap: ShardMap?
    /// It was refused, and waits a moment before it sends again.
    private var pausedUntil: UInt64 = 0

    init(_ load: Load, number: Int) {
        self.load = load
        self.number = number
        // Keys that nobody else puts.
        for key in 0..<load.plan.keysPerProducer { self.items[(number + 1) * 100 + key] = [] }
    }

    private var simulation: Simulation { self.load.simulation }
    var isIdle: Bool { self.items.values.allSatisfy(\.isEmpty) && self.flying.isEmpty }

    // MARK: The connection

    func connect(_ process: EngineProcess) {
        self.connections += 1
        (self.lane, _, self.caller) = self.simulation.connect(process)
        self.lane.add(self.caller, self)
        self.sequence = 0
    }

    /// Nobody knows what becomes of the puts under way. `process`: it goes on without this connection.
    func disconnected(processLives: Bool) {
        if processLives {
            self.lane.remove(self.caller)
            self.caller.holdings.close()
        }
        self.held.removeAll()
        self.simulation.tally[.unknown] += self.flying.count
        self.flying.removeAll()
        for key in self.items.keys {
            for position in self.items[key]!.indices { self.items[key]![position].isFlying = false }
        }
    }

    var hasRoom: Bool { true }
    func woken(_ wait: UInt64) {}
    func lookAgain() {}

    func releaseAnswers() -> Bool {
        while let first = self.held.first {
            var fates = first.fates
            switch self.lane.watermark.judge(first.mark) {
            case .pending:
                guard self.simulation.breakage == .answersTooEarly else { return false }
            case .lost:
                if self.simulation.breakage != .answersWhatIsLost {
                    fates = fates.map { if case .stored = $0 { .unknown } else { $0 } }
                }
            case .reached: break
            }
            self.held.removeFirst()
            self.caller.holdings.change(.waiting, by: -64)
            if self.simulation.breakage == .forgetsAnswers, self.simulation.random.chance(1, of: 20) { continue }
            let times = self.simulation.breakage == .answersTwice && self.simulation.random.chance(1, of: 20) ? 2 : 1
            for _ in 0..<times { self.tell(first.sequence, fates) }
        }
        return true
    }

    // MARK: Sending

    /// New records, unless nothing new is wanted, and one batch of puts.
    func turn() {
        if !self.simulation.isEnding, self.items.values.reduce(0, { $0 + $1.count }) < 60 {
            for _ in 0..<self.simulation.random.within(1...3) {
                let key = self.simulation.random.pick(self.items.keys.sorted())
                let number = self.numbers[key, default: 0]
                self.numbers[key] = number + 1
                self.items[key]!.append(
                    Item(number: number, length: self.simulation.random.within(8...self.load.plan.recordBytesMax))
                )
            }
        }
        self.send()
    }

    private func send() {
        guard self.simulation.now >= self.pausedUntil else { return }
        var puts: [SimDoor.Put] = []
        var sent: [Sent] = []
        var nextID = self.simulation.node.checker.nextID
        // Where commits are small, those of one batch may lie in more than one.
        let putsMax = self.simulation.plan.node.hasNearBorders ? 1 : 3
        while self.flying.count < self.load.plan.window, puts.count < putsMax {
            let chosen = self.choose()
            guard !chosen.isEmpty else { break }
            self.sequence += 1
            let groups = self.group(chosen)
            let order = groups.flatMap(\.records)
            sent.append(Sent(sequence: self.sequence, records: order.map { ($0.key, $0.item.number) }))
            self.flying[self.sequence] = sent.last
            let header = PutHeader(
                stream: self.simulation.stream, mapVersion: 0, sequence: self.sequence,
                seenThrough: (self.flying.keys.min() ?? self.sequence) - 1)
            puts.append(
                SimDoor.Put(
                    header: header,
                    groups: groups.map { group in
                        let records = group.records.map { key, item in
                            defer { nextID += 1 }
                            return SimRecord(id: nextID, key: key, length: item.length)
                        }
                        return (group.shard, records)
                    }))
        }
        guard !puts.isEmpty else { return }
        let (gathered, toSend) = (puts, sent)
        self.simulation.guarded { () throws(Violation) in try self.commit(gathered, toSend) }
    }

    /// Of some keys the first records that may be sent now: nothing after them is under way.
    private func choose() -> [(key: Int, item: Item)] {
        var chosen: [(key: Int, item: Item)] = []
        for key in self.items.keys.sorted() where self.simulation.random.chance(2, of: 3) {
            guard let items = self.items[key], let first = items.firstIndex(where: { !$0.isFlying }),
                !items[first...].contains(where: \.isFlying)
            else { continue }
            let count = min(items.count - first, self.simulation.random.within(1...3))
            for position in first..<first + count {
                chosen.append((key, items[position]))
                self.items[key]![position].isFlying = true
            }
        }
        return chosen
    }

    private typealias Group = (shard: ShardNumber?, records: [(key: Int, item: Item)])

    /// As the client would: all to be routed by the server, or by the client's own map, which may be old.
    private func group(_ chosen: [(key: Int, item: Item)]) -> [Group] {
        if self.simulation.random.chance(1, of: 2) { return [(nil, chosen)] }
        if self.clientMap == nil || self.simulation.random.chance(1, of: 4) {
            self.clientMap = self.simulation.node.told.stream(self.simulation.stream)?.map
        }
        guard let map = self.clientMap else { return [(nil, chosen)] }
        var groups: [Group] = []
        for (key, item) in chosen {
            let shard = map.shard(for: HashKey(partitionKey: "key-\(key)")).number
            if let position = groups.firstIndex(where: { $0.shard == shard }) {
                groups[position].records.append((key, item))
            } else {
                groups.append((shard, [(key, item)]))
            }
        }
        return groups
    }

    private func commit(_ puts: [SimDoor.Put], _ sent: [Sent]) throws(Violation) {
        let lane = self.lane!
        let outcomes = try SimDoor(simulation: self.load.simulation, lane: lane).put(puts) {
            if self.simulation.breakage == .forgetsRefusals { self.forgetRefusals() }
            return self.caller
        }
        for (sent, outcome) in zip(sent, outcomes) {
            for (record, fate) in zip(sent.records, outcome.fates) {
                if case .stored = fate {
                    try self.load.auditor.admitted(record.key, record.number, outcome.mark)
                }
            }
            self.caller.holdings.change(.waiting, by: 64)
            self.held.append(Held(mark: outcome.mark, sequence: sent.sequence, fates: outcome.fates))
            self.load.auditor.asked(
                self.number, self.connections, sent.sequence, nowMillis: self.simulation.now)
        }
        lane.awaitDurable(self.caller)
    }

    /// As if nothing of it had ever been refused.
    private func forgetRefusals() {
        let caller = LaneCaller(id: self.caller.id, on: self.lane.engine)
        caller.holdings.set(.waiting, self.caller.holdings[.waiting])
        self.caller.holdings.close()
        self.lane.remove(self.caller)
        self.caller = caller
        self.lane.add(caller, self)
    }

    // MARK: Answers

    private func tell(_ sequence: UInt64, _ fates: [Fate]) {
        let connection = self.connections
        self.simulation.at(self.simulation.now + self.simulation.within(0...10), inEra: self.simulation.era) {
            guard connection == self.connections else { return }
            self.simulation.guarded { () throws(Violation) in try self.answered(sequence, fates) }
        }
    }

    private func answered(_ sequence: UInt64, _ fates: [Fate]) throws(Violation) {
        guard let sent = self.flying.removeValue(forKey: sequence) else {
            throw Violation("put \(sequence) of producer \(self.number) is answered a second time")
        }
        self.load.auditor.answered(self.number, self.connections, sequence)
        for (record, fate) in zip(sent.records, fates) {
            guard let position = self.items[record.key]!.firstIndex(where: { $0.number == record.number }) else {
                throw Violation("record \(record.number) of key \(record.key) is acknowledged and was not under way")
            }
            switch fate {
            case .stored(let id):
                try self.load.acknowledged(id)
                self.load.auditor.acknowledged(record.key, record.number)
                self.items[record.key]!.remove(at: position)
            case .refused(let code):
                try self.judge(code)
                self.items[record.key]![position].isFlying = false
            case .unknown:
                self.simulation.tally[.unknown] += 1
                self.items[record.key]![position].isFlying = false
            }
        }
    }

    private func judge(_ code: WeirError.Code) throws(Violation) {
        if code == .throughputExceeded || code == .behind {
            self.pausedUntil = self.simulation.now + self.simulation.within(0...60)
        }
        switch code {
        case .throughputExceeded: self.simulation.tally[.throttled] += 1
        case .behind: self.simulation.tally[.behind] += 1
        case .wrongShard, .shardNotFound: self.clientMap = nil
        case .unavailable, .storageFull: break
        default: throw Violation("a put of producer \(self.number) is refused: \(code)")
        }
    }
}
