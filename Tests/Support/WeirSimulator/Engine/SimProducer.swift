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

    /// What became of one record of a put.
    enum Fate: Hashable {
        case stored(id: Int)
        case refused(WeirError.Code)
        case unknown
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

    unowned let simulation: EngineSimulation
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

    init(_ simulation: EngineSimulation, number: Int) {
        self.simulation = simulation
        self.number = number
        for key in 0..<simulation.plan.keysPerProducer { self.items[number * 100 + key] = [] }
    }

    var isIdle: Bool { self.items.values.allSatisfy(\.isEmpty) && self.flying.isEmpty }

    // MARK: The connection

    func connect(_ process: EngineProcess, id: UInt64) {
        self.connections += 1
        self.lane = self.simulation.random.pick(process.hosts).lane
        self.caller = LaneCaller(id: id, on: process.engine)
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
        self.simulation.tally.unknown += self.flying.count
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
                    Item(number: number, length: self.simulation.random.within(8...self.simulation.plan.recordBytesMax))
                )
            }
        }
        self.send()
    }

    private func send() {
        guard self.simulation.now >= self.pausedUntil else { return }
        var memory: [UnsafeMutableRawBufferPointer] = []
        defer { for bytes in memory { bytes.deallocate() } }
        var puts: [(sent: Sent, ids: [SimRecord])] = []
        var nextID = self.simulation.node.checker.nextID
        while self.flying.count < self.simulation.plan.window, puts.count < 3 {
            let chosen = self.choose()
            guard !chosen.isEmpty else { break }
            self.sequence += 1
            let groups = self.group(chosen)
            let order = groups.flatMap(\.records)
            let sent = Sent(sequence: self.sequence, records: order.map { ($0.key, $0.item.number) })
            self.flying[self.sequence] = sent
            self.lane.puts.beginPut(
                PutHeader(
                    stream: self.simulation.stream, mapVersion: 0, sequence: self.sequence,
                    seenThrough: (self.flying.keys.min() ?? self.sequence) - 1),
                correlation: self.sequence, creditBytes: nil, recordCount: order.count,
                isRoutedByServer: groups[0].shard == nil)
            var ids: [SimRecord] = []
            for group in groups {
                var builder = BatchBodyBuilder()
                for (key, item) in group.records {
                    let record = SimRecord(id: nextID, key: key, length: item.length)
                    nextID += 1
                    record.append(to: &builder)
                    ids.append(record)
                }
                let body = builder.finish()
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 16)
                copy.copyBytes(from: body)
                memory.append(copy)
                self.lane.puts.add(UnsafeRawBufferPointer(copy), for: group.shard)
            }
            self.lane.puts.endPut()
            puts.append((sent, ids))
        }
        guard !puts.isEmpty else { return }
        self.simulation.guarded { () throws(Violation) in try self.commit(puts) }
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

    private func commit(_ puts: [(sent: Sent, ids: [SimRecord])]) throws(Violation) {
        let lane = self.lane!
        if self.simulation.breakage == .forgetsRefusals {
            let caller = LaneCaller(id: self.caller.id, on: lane.engine)
            caller.holdings.set(.waiting, self.caller.holdings[.waiting])
            self.caller.holdings.close()
            lane.remove(self.caller)
            self.caller = caller
            lane.add(caller, self)
        }
        let isSettled = lane.commitPuts(of: self.caller)
        defer { lane.puts.removeAll() }
        for (position, put) in puts.enumerated() {
            let request = lane.puts.requests[position]
            var fates: [Fate]
            if !isSettled {
                fates = put.ids.map { _ in .refused(.unavailable) }
            } else if request.failure >= 0 {
                fates = put.ids.map { _ in .refused(lane.puts.failures[request.failure].code) }
            } else {
                fates = []
            }
            if fates.isEmpty {
                fates = try self.outcomes(of: request, put.ids)
            } else {
                for record in put.ids { self.simulation.node.checker.refused(record) }
            }
            for (record, fate) in zip(put.sent.records, fates) {
                if case .stored = fate {
                    try self.simulation.auditor.admitted(record.key, record.number, lane.puts.requests[position].mark)
                }
            }
            self.caller.holdings.change(.waiting, by: 64)
            self.held.append(Held(mark: request.mark, sequence: put.sent.sequence, fates: fates))
            self.simulation.auditor.asked(
                self.number, self.connections, put.sent.sequence, nowMillis: self.simulation.now)
        }
        lane.awaitDurable(self.caller)
    }

    /// Reads the outcome of each record, as a door does.
    private func outcomes(of request: PutBatch.Request, _ records: [SimRecord]) throws(Violation) -> [Fate] {
        let puts = self.lane.puts.entries
        var taken: [Int: UInt64] = [:]
        var places: [Int] = []
        if request.isRoutedByServer {
            for position in 0..<records.count {
                let entry = Int(self.lane.puts.recordEntries[request.firstRecordEntry + position])
                places.append(request.entries.lowerBound + entry)
            }
        } else {
            for entry in request.entries {
                places += [Int](repeating: entry, count: Int(puts[entry].count))
            }
        }
        guard places.count == records.count else {
            throw Violation("a put of \(records.count) records has outcomes for \(places.count)")
        }
        var fates: [Fate] = []
        for (record, place) in zip(records, places) {
            let entry = puts[place]
            switch entry.outcome {
            case .refused(let code, _):
                self.simulation.node.checker.refused(record)
                fates.append(.refused(code))
            case .stored(let position):
                let ref = ShardRef(stream: self.simulation.stream, shard: entry.shard)
                try self.simulation.admitted(
                    record, to: ref, position, offset: taken[place, default: 0], head: self.simulation.node.core.headLSN
                )
                taken[place, default: 0] += 1
                fates.append(.stored(id: record.id))
            }
        }
        return fates
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
        self.simulation.auditor.answered(self.number, self.connections, sequence)
        for (record, fate) in zip(sent.records, fates) {
            guard let position = self.items[record.key]!.firstIndex(where: { $0.number == record.number }) else {
                throw Violation("record \(record.number) of key \(record.key) is acknowledged and was not under way")
            }
            switch fate {
            case .stored(let id):
                try self.simulation.acknowledged(id)
                self.simulation.auditor.acknowledged(record.key, record.number)
                self.items[record.key]!.remove(at: position)
            case .refused(let code):
                try self.judge(code)
                self.items[record.key]![position].isFlying = false
            case .unknown:
                self.simulation.tally.unknown += 1
                self.items[record.key]![position].isFlying = false
            }
        }
    }

    private func judge(_ code: WeirError.Code) throws(Violation) {
        if code == .throughputExceeded || code == .behind {
            self.pausedUntil = self.simulation.now + self.simulation.within(0...60)
        }
        switch code {
        case .throughputExceeded: self.simulation.tally.throttled += 1
        case .behind: self.simulation.tally.behind += 1
        case .wrongShard, .shardNotFound: self.clientMap = nil
        case .unavailable, .storageFull: break
        default: throw Violation("a put of producer \(self.number) is refused: \(code)")
        }
    }
}
