// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// Producers and readers of one stream, with an operator who divides and joins its shards under them.
final class Load: SimActor {
    unowned let simulation: Simulation
    var auditor = PutAuditor()
    private var producers: [SimProducer] = []
    private var readers: [SimReader] = []

    init(_ simulation: Simulation) { self.simulation = simulation }

    var plan: LoadPlan { self.simulation.plan.load }
    private var node: SimNode { self.simulation.node }

    func begin() throws(Violation) {
        guard let stream = self.node.told.stream(self.simulation.stream) else { return }
        for shard in stream.shards { self.follow(shard) }
        for number in 0..<self.plan.producers {
            let producer = SimProducer(self, number: number)
            self.producers.append(producer)
            if let process = self.simulation.process { producer.connect(process) }
            self.schedulePut(producer)
        }
        self.scheduleTrouble()
    }

    private func schedulePut(_ producer: SimProducer) {
        self.simulation.after(self.simulation.within(1...UInt64(self.plan.pace)), at: .node) { () throws(Violation) in
            if self.simulation.isServing { producer.turn() }
            self.schedulePut(producer)
        }
    }

    // MARK: The node

    func nodeStarted(_ process: EngineProcess) throws(Violation) {
        for producer in self.producers { producer.connect(process) }
        for reader in self.readers where !reader.isFinished { reader.connect(process) }
    }

    func nodeEnded() {
        for producer in self.producers { producer.disconnected(processLives: false) }
        for reader in self.readers { reader.disconnected(processLives: false) }
        self.auditor.processEnded()
    }

    func termEnded(_ watermark: Watermark) { self.auditor.termEnded(watermark) }

    func leave() {
        guard self.simulation.process != nil else { return }
        for producer in self.producers { producer.disconnected(processLives: true) }
        for reader in self.readers { reader.disconnected(processLives: true) }
    }

    // MARK: What happens to them

    private func scheduleTrouble() {
        self.simulation.after(self.simulation.within(20...400), at: .node) { () throws(Violation) in
            guard !self.simulation.isEnding else { return }
            if let process = self.simulation.process, self.simulation.isServing {
                switch self.simulation.random.below(10) {
                case 0...1: self.reconnect(self.simulation.random.pick(self.producers), process)
                case 2...3: self.reconnectReader(process)
                case 4: self.takeMemory(process)
                case 5: self.wakeEverybody(process)
                default: try self.reshard(process)
                }
            }
            self.scheduleTrouble()
        }
    }

    private func reconnect(_ producer: SimProducer, _ process: EngineProcess) {
        self.simulation.tally[.reconnects] += 1
        producer.disconnected(processLives: true)
        self.auditor.disconnected(producer.number)
        producer.connect(process)
    }

    private func reconnectReader(_ process: EngineProcess) {
        let reading = self.readers.filter { !$0.isFinished }
        guard !reading.isEmpty else { return }
        let reader = self.simulation.random.pick(reading)
        reader.disconnected(processLives: true)
        reader.connect(process)
    }

    /// Somebody reads slowly, and holds all memory for reads that is free.
    private func takeMemory(_ process: EngineProcess) {
        let memory = process.engine.readMemory
        let bytes = memory.bytesMax - memory.reservedBytes
        guard bytes > 0, memory.reserve(bytes) else { return }
        let until = self.simulation.now + self.simulation.within(100...9000)
        self.simulation.life.memoryHeldUntil = max(self.simulation.life.memoryHeldUntil, until)
        self.simulation.at(until, inEra: self.simulation.era) { memory.release(bytes) }
    }

    /// A consumer is deregistered: whoever waits looks again.
    private func wakeEverybody(_ process: EngineProcess) {
        guard let name = try? ConsumerName("nobody") else { return }
        process.engine.deregistered(name, of: self.simulation.stream, .none)
    }

    private func reshard(_ process: EngineProcess) throws(Violation) {
        let stream = self.simulation.stream
        guard let state = self.node.core.catalog.stream(stream) else { return }
        let lane = self.simulation.random.pick(process.hosts).lane!
        let open = state.map.shards
        let told: Told<Lane.Resharded>
        if open.count < 5, self.simulation.random.chance(1, of: 2) || open.count == 1 {
            let shard = ShardRef(stream: stream, shard: self.simulation.random.pick(open).number)
            told = lane.splitShard(shard, at: nil)
        } else {
            let position = self.simulation.random.below(open.count - 1)
            told = lane.mergeShards(of: stream, open[position].number, open[position + 1].number)
        }
        switch told.value {
        case .success:
            self.simulation.tally[.reshards] += 1
            try self.simulation.resharded()
        case .failure(let error):
            guard [.unavailable, .limitExceeded, .invalidArgument, .storageFull].contains(error.code) else {
                throw Violation("a resharding is refused: \(error)")
            }
        }
    }

    // MARK: Readers

    private func follow(_ shard: ShardDescription) {
        let ref = ShardRef(stream: self.simulation.stream, shard: shard.number)
        for number in 0..<self.plan.readers {
            let reader = SimReader(
                self, ref, from: shard.firstIndex, isPushed: (number + Int(shard.number.rawValue)) % 2 == 1)
            self.readers.append(reader)
            if let process = self.simulation.process { reader.connect(process) }
        }
    }

    /// A reader has come to the end of its shard: its children are read too.
    func finished(_ reader: SimReader, _ children: [ShardDescription]) {
        if let process = self.simulation.process, let caller = reader.caller {
            // Its connection ends behind what it is being told.
            self.simulation.at(self.simulation.now, inEra: self.simulation.era) { [unowned self] in
                guard self.simulation.process === process else { return }
                reader.leave(caller)
            }
        }
        for child in children where !self.readers.contains(where: { $0.shard.shard == child.number }) {
            self.follow(child)
        }
    }

    /// A producer is told that a record is stored.
    func acknowledged(_ id: Int) throws(Violation) {
        self.simulation.tally[.toldStored] += 1
        try self.node.judgeAcknowledgement(of: id)
    }

    // MARK: Rules of time

    /// Nobody waits for what is there, or longer than was asked for.
    func watch() throws(Violation) {
        let (now, life) = (self.simulation.now, self.simulation.life)
        try self.auditor.checkAnswers(nowMillis: now, upSinceMillis: life.upSinceMillis)
        for reader in self.readers where reader.isWaiting {
            guard let asked = reader.asked else { continue }
            let since = max(asked.sinceMillis, life.upSinceMillis)
            // A read that gets no memory is told so after five seconds.
            if let due = asked.dueMillis, now > max(due, since) + 6500 {
                throw Violation("a read of \(reader.shard) was to be answered at \(due) ms, and is not at \(now)")
            }
            guard now > life.memoryHeldUntil, now > life.upSinceMillis + 500 else {
                reader.unseenSince = nil
                continue
            }
            guard let shard = self.node.core.shard(reader.shard), shard.durableEnd > reader.next else { continue }
            // What it waits for is there; how long, nobody knows: at least as long as both are.
            if let seen = reader.unseenSince {
                if now > seen + 1500 {
                    throw Violation(
                        "\(reader) waits at \(reader.next) of \(shard.durableEnd), which has been durable for "
                            + "\(now - seen) ms")
                }
            } else {
                reader.unseenSince = now
            }
        }
    }

    // MARK: The end

    func unfinished() throws(Violation) -> String? {
        if let producer = self.producers.first(where: { !$0.isIdle }) { return "producer \(producer.number)" }
        return self.readers.first { !self.isAtEnd($0) }.map { "\($0) at \($0.next)" }
    }

    private func isAtEnd(_ reader: SimReader) -> Bool {
        guard !reader.isFinished, self.simulation.process != nil, let shard = self.node.core.shard(reader.shard) else {
            return reader.isFinished
        }
        return shard.isOpen && reader.next >= shard.durableEnd
    }
}
