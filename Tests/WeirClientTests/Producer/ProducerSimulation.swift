// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

@testable import WeirClient

/// A `ProducerMachine` and a `ModelServer` with a network between them that delays, reorders answers and breaks, driven
/// from a seed. `run` returns what it found wrong; nothing is good news.
struct ProducerSimulation {
    struct Options {
        var unknown = ProducerConfiguration.UnknownOutcome.resend
        var timeoutMillis: UInt64?
        var progressMillis: UInt64?
        var poisonOneIn = 0
        var chunks = 60
        /// As a server with one log answers: what is stored is acknowledged in order; only refusals overtake.
        var answersInOrder = true
        var serverForgetsOrder = false
        var shards = 3
    }

    private struct Given {
        let key: Int
        let chunk: Int
        var result: PutResult?
    }

    let options: Options
    private var dice: SeededGenerator
    private var machine: ProducerMachine
    private var server: ModelServer
    private let configuration: ProducerConfiguration
    private let keys: [String]
    private var now: UInt64 = 1_000_000
    /// Frames on their way to the server.
    private var uplink: [[UInt8]] = []
    /// Answers on their way back.
    private var downlink: [(correlation: UInt64, frame: [UInt8])] = []
    private var isFetchingMap = false
    private var given: [Given] = []
    private var unreported: [RecordChunk] = []
    private var chunksGiven = 0
    /// For each key and chunk that failed for certain: how many copies were stored when that was reported.
    private var failures: [(key: Int, chunk: Int, copies: Int)] = []
    private(set) var problems: [String] = []
    private var isWindingDown = false
    private(set) var steps = 0
    private(set) var trace: UInt64 = 0

    init(seed: UInt64, _ options: Options = Options()) {
        self.options = options
        self.dice = SeededGenerator(seed: seed)
        var configuration = ProducerConfiguration(
            batchRecords: 1 + Int(seed % 9), batchBytes: 4096, requestsInFlight: 1 + Int(seed % 7),
            timeout: options.timeoutMillis.map { .milliseconds($0) },
            progressTimeout: options.progressMillis.map { .milliseconds($0) }, unknownOutcome: options.unknown,
            groupRecordsMin: 1 + Int(seed % 4))
        configuration.bufferBytes = 1 << 20
        self.configuration = configuration
        self.machine = ProducerMachine(
            .init(configuration, retry: RetryPolicy(firstPauseMillis: 1, longestPauseMillis: 20)))
        self.server = ModelServer(shards: options.shards)
        self.server.faults.poisonOneIn = options.poisonOneIn
        self.server.faults.forgetsOrder = options.serverForgetsOrder
        self.keys = (0..<10).map { "key-\($0)" }
    }

    mutating func run() -> [String] {
        while self.problems.isEmpty, self.chunksGiven < self.options.chunks { self.step() }
        self.isWindingDown = true
        self.server.faults = .init(throttleOneIn: 0, poisonOneIn: 0, refuseWholeOneIn: 0)
        let limit = self.steps + 200_000
        while self.problems.isEmpty, self.machine.hasUnresolved || !self.unreported.isEmpty {
            self.step()
            if self.steps > limit {
                self.problems.append("records are left for ever: \(self.machine.unanswered) requests under way")
            }
        }
        if self.problems.isEmpty { self.audit() }
        return self.problems
    }

    private mutating func note(_ event: UInt64) {
        self.trace = (self.trace ^ event) &* 0x100_0000_01b3
    }

    // MARK: Steps

    private mutating func step() {
        self.steps += 1
        let choice = self.dice.below(self.isWindingDown ? 60 : 100)
        self.note(UInt64(choice))
        switch choice {
        case 0..<15: self.deliverToServer()
        case 15..<32: self.deliverToClient()
        case 32..<40: self.answerPending()
        case 40..<45: self.completeMapFetch()
        case 45..<50: self.connect()
        case 50..<55: self.report()
        case 55..<60: self.passTime()
        case 60..<84: self.giveChunk()
        case 84..<86: self.cut()
        case 86..<90: self.server.split(using: &self.dice)
        case 90..<94: self.server.merge(using: &self.dice)
        case 94: self.downlink += self.server.failCommit(using: &self.dice)
        case 95: if self.options.timeoutMillis != nil { self.stall() }
        default: self.server.faults.throttleOneIn = 1 + self.dice.below(6)
        }
        self.pump()
    }

    private mutating func pump() {
        while let request = self.machine.nextRequest(now: self.now, mayPut: { _ in true }) {
            var frame = [UInt8](repeating: 0, count: FrameHeader.bytes + request.payloadBytes)
            frame.withUnsafeMutableBytes {
                request.write(to: $0, stream: ModelServer.stream, correlation: request.sequence)
            }
            self.note(request.sequence)
            self.uplink.append(frame)
            if self.machine.unanswered > self.configuration.requestsInFlight {
                self.problems.append("\(self.machine.unanswered) requests under way")
            }
        }
        if self.machine.wantsMap(now: self.now) {
            self.machine.mapFetchStarted(now: self.now)
            self.isFetchingMap = true
        }
        if self.machine.wantsDisconnect {
            self.uplink = []
            self.downlink = []
            self.isFetchingMap = false
            self.machine.connectionLost(WeirError(.unavailable, "closed"), now: self.now)
        }
        for chunk in self.machine.takeCompleted().chunks { self.unreported.append(chunk) }
    }

    private mutating func giveChunk() {
        guard self.chunksGiven < self.options.chunks, self.given.count - self.resolvedCount < 400 else { return }
        let chunk = RecordChunk()
        for _ in 0...self.dice.below(12) {
            let key = self.dice.below(self.keys.count)
            let id = UInt64(self.given.count)
            self.given.append(Given(key: key, chunk: self.chunksGiven))
            let explicit = self.dice.oneIn(6) ? HashKey(partitionKey: self.keys[key]) : nil
            withUnsafeBytes(of: id.littleEndian) { data in
                Array(self.keys[key].utf8).withUnsafeBytes { key in
                    chunk.records.append(key: key, explicitHashKey: explicit, data: data)
                }
            }
        }
        chunk.seal()
        chunk.firstRecord = UInt64(self.given.count - chunk.count)
        self.chunksGiven += 1
        do {
            try self.machine.submit(chunk, now: self.now)
        } catch {
            self.problems.append("refused: \(error)")
        }
    }

    private var resolvedCount: Int { self.given.reduce(0) { $0 + ($1.result == nil ? 0 : 1) } }

    private mutating func report() {
        guard !self.unreported.isEmpty else { return }
        let chunk = self.unreported.removeFirst()
        let results = chunk.takeResults()
        for (position, result) in results.enumerated() {
            let id = Int(chunk.firstRecord) + position
            if self.given[id].result != nil { self.problems.append("record \(id) was reported twice") }
            self.given[id].result = result
            if case .failure(let error) = result, !error.verdict.maybeStored {
                self.failures.append(
                    (key: self.given[id].key, chunk: self.given[id].chunk, copies: self.lastCopyOrder))
            }
        }
        self.machine.reported(chunk.ordinal)
    }

    private var lastCopyOrder: Int { self.server.copies.last?.order ?? 0 }

    // MARK: The network

    private mutating func connect() {
        guard self.machine.wantsConnection else { return }
        self.server.connect()
        self.downlink = []
        self.machine.connected(frameBytesMax: Limits.frameBytesMax, now: self.now)
    }

    private mutating func deliverToServer() {
        guard self.machine.isConnected, !self.uplink.isEmpty else { return }
        do {
            let frame = self.uplink.removeFirst()
            if let answer = try self.server.receive(frame, using: &self.dice) { self.downlink.append(answer) }
        } catch {
            self.problems.append("the server refuses a request: \(error)")
        }
    }

    private mutating func answerPending() {
        guard !self.server.pending.isEmpty else { return }
        var position = self.dice.below(self.server.pending.count)
        if self.options.answersInOrder, self.server.pending[position].storesSomething {
            position = self.server.pending.firstIndex { $0.storesSomething } ?? position
        }
        self.downlink.append(self.server.answer(position))
    }

    private mutating func deliverToClient() {
        guard self.machine.isConnected, !self.downlink.isEmpty else { return }
        let reach = self.options.answersInOrder ? 1 : min(3, self.downlink.count)
        let answer = self.downlink.remove(at: self.dice.below(reach))
        answer.frame.withUnsafeBytes { raw in
            do {
                let header = try FrameHeader(reading: raw)
                let payload = raw.slice(FrameHeader.bytes, header.length)
                if header.type == .error {
                    let error = try ErrorAnswer(payload: payload).error
                    self.machine.refused(answer.correlation, error, now: self.now)
                } else if !self.machine.answered(
                    answer.correlation, try PutRecordsAnswerView(payload: payload), now: self.now)
                {
                    self.problems.append("an answer does not fit request \(answer.correlation)")
                }
            } catch {
                self.problems.append("an answer does not read: \(error)")
            }
        }
    }

    private mutating func cut() {
        guard self.machine.isConnected else { return }
        // Some of what is on its way still arrives.
        for _ in 0..<self.dice.below(self.uplink.count + 1) { self.deliverToServer() }
        self.uplink = []
        self.downlink = []
        self.isFetchingMap = false
        self.machine.connectionLost(WeirError(.unavailable, "cut"), now: self.now)
    }

    private mutating func completeMapFetch() {
        guard self.isFetchingMap else { return }
        self.isFetchingMap = false
        if self.dice.oneIn(8), !self.isWindingDown {
            return self.machine.mapFailed(WeirError(.unavailable, "busy"), isAnswer: true, now: self.now)
        }
        let maps = self.server.maps
        let stale = self.dice.oneIn(4) && !self.isWindingDown ? self.dice.below(maps.count) : maps.count - 1
        self.machine.mapFetched(maps[stale], now: self.now)
    }

    private mutating func passTime() {
        let some = UInt64(self.dice.below(2_000_000))
        if let deadline = self.machine.nextDeadline(now: self.now), self.dice.oneIn(2),
            self.options.timeoutMillis == nil
        {
            self.now = max(self.now, deadline)
        } else {
            self.now += some
        }
        self.machine.tick(now: self.now)
    }

    /// The server hears and carries out, and nothing comes back for longer than anybody waits.
    private mutating func stall() {
        for _ in 0..<self.dice.below(self.uplink.count + 1) { self.deliverToServer() }
        let timeout = (self.options.timeoutMillis ?? 0) * 1_000_000
        for _ in 0..<4 {
            self.now += timeout / 3
            if self.dice.oneIn(2) { self.giveChunk() }
            self.machine.tick(now: self.now)
            self.pump()
        }
    }
}

// MARK: - Audit

extension ProducerSimulation {
    private mutating func audit() {
        var copiesOf: [UInt64: [ModelServer.Copy]] = [:]
        for copy in self.server.copies { copiesOf[copy.id, default: []].append(copy) }
        for (id, record) in self.given.enumerated() {
            let copies = copiesOf[UInt64(id)] ?? []
            self.auditResult(id, record.result, copies)
            if self.options.unknown == .fail, copies.count > 1 {
                self.problems.append("record \(id) is stored \(copies.count) times")
            }
        }
        for key in self.keys.indices { self.auditOrder(key) }
        self.auditFailures(copiesOf)
    }

    /// Of the model server, what is no throttling.
    private static let standing: Set<WeirError.Code> = [.storageFull, .unavailable, .outcomeUnknown]

    private mutating func auditResult(_ id: Int, _ result: PutResult?, _ copies: [ModelServer.Copy]) {
        switch result {
        case nil: self.problems.append("record \(id) has no result")
        case .success(let receipt):
            let isThere = copies.contains {
                $0.shard == receipt.shard && $0.index == receipt.sequenceNumber.index
                    && UInt64($0.shard.rawValue) == receipt.sequenceNumber.shardCreationSecond
            }
            if !isThere { self.problems.append("record \(id) is not where its receipt says") }
        case .failure(let error):
            if !error.verdict.maybeStored, !copies.isEmpty {
                self.problems.append("record \(id) is stored although it failed: \(error.message)")
            }
            let isAllowed =
                (error.code == .timedOut && self.options.timeoutMillis != nil)
                || (error.code == .outcomeUnknown && self.options.unknown == .fail)
                || (Self.standing.contains(error.code) && self.options.progressMillis != nil)
                || (error.code == .recordTooLarge && self.options.poisonOneIn > 0)
            if !isAllowed { self.problems.append("record \(id) failed without need: \(error.message)") }
        }
    }

    /// First copies rise. Last copies rise too, unless a lost answer to one put came before one to an earlier put:
    /// then the earlier one is sent again, and nobody can know better.
    private mutating func auditOrder(_ key: Int) {
        let copies = self.server.copies.filter { self.given[Int($0.id)].key == key }
        var sequences = [("first", copies)]
        if self.options.answersInOrder {
            // What failed in the end is not sent again after what came before it.
            let acknowledged = copies.filter {
                if case .success = self.given[Int($0.id)].result { true } else { false }
            }
            sequences.append(("last", acknowledged.reversed()))
        }
        for (name, sequence) in sequences {
            var seen: Set<UInt64> = []
            var previous: UInt64?
            for copy in sequence where seen.insert(copy.id).inserted {
                if let previous, (name == "first") == (copy.id < previous) {
                    self.problems.append("key \(key): the \(name) copies of \(previous) and \(copy.id) are reordered")
                }
                previous = copy.id
            }
        }
    }

    /// What was given after a record that failed, in a later chunk, was stored only after the failure was reported.
    private mutating func auditFailures(_ copiesOf: [UInt64: [ModelServer.Copy]]) {
        for failure in self.failures {
            for (id, record) in self.given.enumerated()
            where record.key == failure.key && record.chunk > failure.chunk {
                for copy in copiesOf[UInt64(id)] ?? [] where copy.order <= failure.copies {
                    self.problems.append("record \(id) passed a failure of its key that was not reported")
                }
            }
        }
    }
}
