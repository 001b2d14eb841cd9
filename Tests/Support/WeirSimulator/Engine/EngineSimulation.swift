// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// One history of an engine from one seed: producers, readers and an operator on the lanes of a node whose log, disk
/// and clock are those of `Simulation`, on one thread, with auditors after each event.
///
/// The engine is the real one, with its puts, rates, reads, subscriptions and waits; played are the doors, the network
/// and the threads.
package final class EngineSimulation: @unchecked Sendable {
    // Unchecked: one thread; what the engine gives to other threads comes back on this one.
    let seed: UInt64
    let plan: EnginePlan
    let breakage: EngineBreakage?
    let node: Simulation
    var random: SplitMix64
    var queue = EventQueue()
    var tally = EngineTally()
    var auditor = EngineAuditor()
    private(set) var stream = StreamID(0)

    private var life = Life()
    private var producers: [SimProducer] = []
    var readers: [SimReader] = []
    private var lastCaller: UInt64 = 0
    private var isTurnScheduled = false
    private var stage = Stage.trouble
    private var fault: Violation?

    private static let eventsMax = 400_000

    /// The node as a process.
    private struct Life {
        /// `nil` while the node is down.
        var process: EngineProcess?
        /// How many processes there were: nothing of one comes to the next.
        var era = 0
        var boots = 0
        var upSinceMillis: UInt64 = 0
        /// Until then there may be no memory for reads.
        var memoryHeldUntil: UInt64 = 0
    }

    private enum Stage {
        case trouble
        /// Nothing goes wrong any more, and nothing new is put.
        case ending
        case over
    }

    package init(seed: UInt64, traces: Bool = false, breakage: EngineBreakage? = nil) {
        self.seed = seed
        self.breakage = breakage
        var random = SplitMix64(seed: seed &* 0x2545_f491_4f6c_dd1d &+ 7)
        self.plan = EnginePlan(&random)
        let plan = Plan(&random).forConsumers(&random)
        self.node = Simulation(
            seed: seed, steps: 0, traces: traces, breakage: nil, plan: plan, random: SplitMix64(seed: random.next()))
        self.random = random
    }

    package struct Outcome: Sendable {
        package let seed: UInt64
        package let violation: Violation?
        package let tally: EngineTally
        package let trace: [String]
    }

    /// Plays the history to its end, or to the first broken rule.
    package func run() -> Outcome {
        self.node.playDisk()
        var violation: Violation?
        do throws(Violation) {
            self.note("seed \(self.seed): \(self.plan); \(self.node.plan)")
            try self.setUp()
            try self.play()
            try self.checkEnd()
        } catch {
            violation = error
            self.note("VIOLATION: \(error)")
        }
        self.node.disk.decideFaults(nil)
        self.node.report = nil
        self.endProcess()
        // What is left to happen names the simulation, which holds it.
        self.queue = EventQueue()
        self.tally.failures = self.node.tally.failures
        self.tally.powerCuts = self.node.tally.powerCuts
        return Outcome(seed: self.seed, violation: violation, tally: self.tally, trace: self.node.trace.lines)
    }

    private func setUp() throws(Violation) {
        try self.node.boot()
        guard let name = try? StreamName("orders") else { return }
        let settings = StreamSettings(
            retentionMillis: 365 * 24 * 3_600_000, maxBytes: nil, limits: .explicit(self.plan.limits))
        try self.node.submit(.createStream(name: name, shards: self.plan.shards, settings: settings))
        self.node.forgetFaults()
        try self.node.drain()
        guard let stream = self.node.told.streams(after: nil, limit: 1).first else {
            throw Violation("the stream was not made")
        }
        self.stream = stream.id
        self.node.report = { [unowned self] in self.reported($0) }
        for shard in stream.shards { self.follow(shard) }
        for number in 0..<self.plan.producers { self.producers.append(SimProducer(self, number: number)) }
        self.started()
        for producer in self.producers { self.schedulePut(producer) }
        self.scheduleTick()
        self.scheduleTrouble()
        self.at(self.now + self.plan.trouble) { self.heal() }
    }

    private func play() throws(Violation) {
        while self.stage != .over, let event = self.queue.take() {
            if event.at > self.now { self.node.clock.advance(millis: Int64(event.at - self.now)) }
            self.tally.events += 1
            guard self.tally.events < Self.eventsMax else { throw Violation("the history does not come to an end") }
            try event.run()
            if let fault = self.fault { throw fault }
            try self.afterEvent()
            if let fault = self.fault { throw fault }
        }
        guard self.stage == .over else { throw Violation("nothing is left to happen") }
    }

    // MARK: Time

    /// Milliseconds of the monotonic clock.
    var now: UInt64 { self.node.clock.monotonicNanos / 1_000_000 }
    var process: EngineProcess? { self.life.process }
    var era: Int { self.life.era }
    var isEnding: Bool { self.stage != .trouble }

    func note(_ line: @autoclosure () -> String) { self.node.trace.note("\(self.now) \(line())") }

    func within(_ range: ClosedRange<UInt64>) -> UInt64 {
        UInt64(self.random.within(Int(range.lowerBound)...Int(range.upperBound)))
    }

    /// `inEra`: only while that process lives.
    func at(_ millis: UInt64, inEra era: Int? = nil, _ run: @escaping () -> Void) {
        self.queue.schedule(at: max(millis, self.now), .anywhere) { [unowned self] () throws(Violation) in
            if let era, era != self.era || self.process == nil { return }
            run()
        }
    }

    private func after(_ millis: UInt64, _ run: @escaping () throws(Violation) -> Void) {
        self.queue.schedule(at: self.now + millis, .anywhere, run)
    }

    /// Rules that are broken where nothing can be thrown.
    func guarded(_ body: () throws(Violation) -> Void) {
        do throws(Violation) {
            try body()
        } catch {
            self.fault = self.fault ?? error
        }
    }

    // MARK: The node

    /// One of the node's threads does something, again and again while there is something to do.
    func scheduleTurn() {
        guard !self.isTurnScheduled, self.process != nil,
            self.node.core.hasWork || !self.node.writers.isEmpty || self.node.upkeep != nil
        else { return }
        self.isTurnScheduled = true
        self.after(self.within(1...4)) { () throws(Violation) in
            self.isTurnScheduled = false
            guard self.process != nil else { return }
            if !self.isEnding { self.node.armFaults() }
            if self.node.upkeep != nil, self.random.chance(1, of: 3) {
                try self.node.doUpkeep()
            } else {
                try self.node.write()
            }
        }
    }

    private func reported(_ progress: Progress) {
        if case .recovered(let watermark) = progress { self.auditor.termEnded(watermark) }
        self.process?.post(progress, breakage: self.breakage)
    }

    private func afterEvent() throws(Violation) {
        guard self.process != nil else { return }
        if self.node.disk.isDown { return self.goDown() }
        if self.node.boots != self.life.boots {
            // It stopped in a recovery, and was started again at once.
            self.processEnded()
            self.started()
        }
        self.scheduleTurn()
    }

    /// The machine or the process stops, and starts again later.
    private func goDown() {
        self.processEnded()
        self.after(self.within(20...300)) { () throws(Violation) in
            if self.isEnding { self.node.forgetFaults() }
            try self.node.surviveCrash()
            self.started()
        }
    }

    private func processEnded() {
        self.note("the node has stopped")
        self.tally.crashes += 1
        self.endProcess()
        for producer in self.producers { producer.disconnected(processLives: false) }
        for reader in self.readers { reader.disconnected(processLives: false) }
        self.auditor.processEnded()
    }

    private func endProcess() {
        self.life.process?.end()
        self.life.process = nil
    }

    private func started() {
        self.note("the node has started")
        self.life.era += 1
        self.life.boots = self.node.boots
        self.life.upSinceMillis = self.now
        let process = EngineProcess(self)
        self.life.process = process
        for producer in self.producers { producer.connect(process, id: self.nextCaller()) }
        for reader in self.readers where !reader.isFinished { reader.connect(process, id: self.nextCaller()) }
    }

    private func nextCaller() -> UInt64 {
        self.lastCaller += 1
        return self.lastCaller
    }

    // MARK: What happens by itself

    private func schedulePut(_ producer: SimProducer) {
        self.after(self.within(1...UInt64(self.plan.pace))) { () throws(Violation) in
            if self.process != nil, self.node.core.unavailable() == nil { producer.turn() }
            self.schedulePut(producer)
        }
    }

    private func scheduleTick() {
        self.after(50) { () throws(Violation) in
            if let process = self.process {
                for host in process.hosts { host.lane.tick() }
                try self.node.tick()
                if self.node.upkeep == nil || self.random.chance(1, of: 3) { try self.node.doUpkeep() }
            }
            if self.process != nil, !self.node.disk.isDown { try self.watch() }
            self.scheduleTick()
        }
    }

    private func scheduleTrouble() {
        self.after(self.within(20...400)) { () throws(Violation) in
            guard !self.isEnding else { return }
            if let process = self.process, self.node.core.unavailable() == nil {
                switch self.random.below(10) {
                case 0...1: self.reconnect(self.random.pick(self.producers), process)
                case 2...3: self.reconnectReader(process)
                case 4: self.takeMemory(process)
                case 5: self.wakeEverybody(process)
                default: self.reshard(process)
                }
            }
            self.scheduleTrouble()
        }
    }

    private func reconnect(_ producer: SimProducer, _ process: EngineProcess) {
        self.tally.reconnects += 1
        producer.disconnected(processLives: true)
        self.auditor.disconnected(producer.number)
        producer.connect(process, id: self.nextCaller())
    }

    /// Somebody reads slowly, and holds all memory for reads that is free.
    private func takeMemory(_ process: EngineProcess) {
        let memory = process.engine.readMemory
        let bytes = memory.bytesMax - memory.reservedBytes
        guard bytes > 0, memory.reserve(bytes) else { return }
        let until = self.now + self.within(100...9000)
        self.life.memoryHeldUntil = max(self.life.memoryHeldUntil, until)
        self.at(until, inEra: self.era) { memory.release(bytes) }
    }

    /// A consumer is deregistered: whoever waits looks again.
    private func wakeEverybody(_ process: EngineProcess) {
        guard let name = try? ConsumerName("nobody") else { return }
        process.engine.deregistered(name, of: self.stream, .none)
    }

    private func reconnectReader(_ process: EngineProcess) {
        let reading = self.readers.filter { !$0.isFinished }
        guard !reading.isEmpty else { return }
        let reader = self.random.pick(reading)
        reader.disconnected(processLives: true)
        reader.connect(process, id: self.nextCaller())
    }

    private func reshard(_ process: EngineProcess) {
        guard let state = self.node.core.catalog.stream(self.stream) else { return }
        let lane = self.random.pick(process.hosts).lane!
        let open = state.map.shards
        let told: Told<Lane.Resharded>
        if open.count < 5, self.random.chance(1, of: 2) || open.count == 1 {
            let shard = ShardRef(stream: self.stream, shard: self.random.pick(open).number)
            told = lane.splitShard(shard, at: nil)
        } else {
            let position = self.random.below(open.count - 1)
            told = lane.mergeShards(of: self.stream, open[position].number, open[position + 1].number)
        }
        switch told.value {
        case .success: self.tally.reshards += 1
        case .failure(let error):
            guard [.unavailable, .limitExceeded, .invalidArgument].contains(error.code) else {
                return self.guarded { () throws(Violation) in throw Violation("a resharding is refused: \(error)") }
            }
        }
    }

    // MARK: Readers

    private func follow(_ shard: ShardDescription) {
        let ref = ShardRef(stream: self.stream, shard: shard.number)
        for number in 0..<self.plan.readers {
            let reader = SimReader(
                self, ref, from: shard.firstIndex, isPushed: (number + Int(shard.number.rawValue)) % 2 == 1)
            self.readers.append(reader)
            if let process { reader.connect(process, id: self.nextCaller()) }
        }
    }

    /// A reader has come to the end of its shard: its children are read too.
    func finished(_ reader: SimReader, _ children: [ShardDescription]) {
        if let process, let caller = reader.caller {
            // Its connection ends behind what it is being told.
            self.at(self.now, inEra: self.era) { [unowned self] in
                guard self.process === process else { return }
                reader.leave(caller)
            }
        }
        for child in children where !self.readers.contains(where: { $0.shard.shard == child.number }) {
            self.follow(child)
        }
    }

    /// A record was admitted, as its put was told.
    func admitted(
        _ record: SimRecord, to ref: ShardRef, _ position: PutEntry.Position, offset: UInt64, head: LSN
    ) throws(Violation) {
        guard let shard = self.node.core.shard(ref), shard.creationSecond == position.shardCreationSecond else {
            throw Violation("a put names \(ref), which the log does not know so")
        }
        try self.node.checker.admitted(
            [record], to: ref, creationSecond: shard.creationSecond, shardFirstIndex: shard.firstIndex,
            at: position.firstIndex + offset, arrivalMillis: position.arrivalMillis, lsn: head.rawValue)
        try self.auditor.admitted(to: ref, rate: self.plan.limits.recordsIn, nowMillis: self.now)
    }

    /// A producer is told that a record is stored.
    func acknowledged(_ id: Int) throws(Violation) {
        self.tally.acknowledged += 1
        guard self.node.checker.isSettled(id) else {
            throw Violation("record \(id) is acknowledged before it is durable")
        }
    }

    /// Judges the records that a reader was given; returns the index behind them.
    func judge(_ found: FoundRecords) throws(Violation) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(found.batchBytes)
        found.forEachPiece { bytes.append(contentsOf: $0) }
        guard bytes.count == found.batchBytes else {
            throw Violation("a read of \(found.shard) says \(found.batchBytes) bytes and has \(bytes.count)")
        }
        var next = found.firstIndex
        let problem: Violation? = bytes.withUnsafeBytes { raw in
            do throws(Violation) {
                try self.node.judge(
                    raw, of: found.shard, found.firstIndex..<max(found.firstIndex, found.nextIndex), &next)
                return nil
            } catch {
                return error
            }
        }
        if let problem { throw problem }
        return next
    }

    // MARK: Rules of time

    /// Nobody waits for what is there, or longer than was asked for.
    private func watch() throws(Violation) {
        try self.auditor.checkAnswers(nowMillis: self.now)
        for reader in self.readers where reader.isWaiting {
            guard let asked = reader.asked else { continue }
            let since = max(asked.sinceMillis, self.life.upSinceMillis)
            // A read that gets no memory is told so after five seconds.
            if let due = asked.dueMillis, self.now > max(due, since) + 6500 {
                throw Violation("a read of \(reader.shard) was to be answered at \(due) ms, and is not at \(self.now)")
            }
            guard self.now > self.life.memoryHeldUntil else {
                reader.unseenSince = nil
                continue
            }
            guard let shard = self.node.core.shard(reader.shard), shard.durableEnd > reader.next else { continue }
            // What it waits for is there; how long, nobody knows: at least as long as both are.
            if let seen = reader.unseenSince {
                if self.now > seen + 1500 {
                    throw Violation(
                        "\(reader) waits at \(reader.next) of \(shard.durableEnd), which has been "
                            + "durable for \(self.now - seen) ms")
                }
            } else {
                reader.unseenSince = self.now
            }
        }
    }

    // MARK: The end

    private func heal() {
        self.note("END OF TROUBLE")
        self.stage = .ending
        self.node.forgetFaults()
        self.scheduleEnd(by: self.now + 120_000)
    }

    private func scheduleEnd(by end: UInt64) {
        self.after(200) { () throws(Violation) in
            guard self.now < end else {
                throw Violation(
                    "producers or readers do not come to an end: "
                        + self.readers.filter { !self.isAtEnd($0) }.map { "\($0.shard) at \($0.next)" }
                        .joined(separator: ", "))
            }
            guard let process = self.process, self.producers.allSatisfy(\.isIdle),
                self.readers.allSatisfy({ self.isAtEnd($0) }), self.node.core.durableLSN >= self.node.core.headLSN
            else { return self.scheduleEnd(by: end) }
            for producer in self.producers { producer.disconnected(processLives: true) }
            for reader in self.readers { reader.disconnected(processLives: true) }
            // What is on its way to the disk or to a client is left to come to an end, and so is who holds memory.
            self.after(5000 + (self.life.memoryHeldUntil > self.now ? self.life.memoryHeldUntil - self.now : 0)) {
                () throws(Violation) in
                try self.checkBudgets(process.engine)
                self.stage = .over
            }
        }
    }

    private func isAtEnd(_ reader: SimReader) -> Bool {
        guard !reader.isFinished, let shard = self.node.core.shard(reader.shard) else { return reader.isFinished }
        return shard.isOpen && reader.next >= shard.durableEnd
    }

    private func checkBudgets(_ engine: Engine) throws(Violation) {
        guard self.process?.engine === engine else { return }
        let (read, held) = (engine.readMemory.reservedBytes, engine.heldMemory.reservedBytes)
        guard read == 0, held == 0, engine.waiterCount == 0 else {
            throw Violation(
                "nobody is connected, and \(read) bytes of records, \(held) bytes that wait and \(engine.waiterCount) "
                    + "waiters are counted")
        }
    }

    private func checkEnd() throws(Violation) {
        self.endProcess()
        self.tally.simulatedMillis = Int(self.node.clock.monotonicNanos / 1_000_000)
        try self.node.end()
    }
}
