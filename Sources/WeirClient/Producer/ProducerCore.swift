// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// Runs a `ProducerMachine`: gathers records, sends what the machine decides over a connection of its own, connects
/// again, keeps time, and reports.
///
/// Locks, in the order in which they may be taken: staging, state, those of the connection. None is held while results
/// are reported.
final class ProducerCore: Sendable {
    /// The chunk that is being filled.
    struct Staging {
        var chunk: RecordChunk?
        /// When it is sent at the latest, in nanoseconds.
        var lingerEnd: UInt64 = .max
    }

    struct State {
        var machine: ProducerMachine
        var connection: ClientConnection?
        var link: ProducerLink?
        /// Counts connections, so that what an older one says is not heard any more.
        var generation = 0
        var isConnecting = false
        /// Attempts to connect that have said which session they are for.
        var connectionNumber: UInt64 = 0
        var atWork = AtWork()
        var spare: [RecordChunk] = []
        /// Memory of the spare chunks, in bytes.
        var spareBytes = 0
        var frames = BufferPool(countMax: 64)
        /// What chunks cost that are submitted and not reported, in bytes.
        var charged = 0
        /// Callers that wait for room, and what they will bring, in bytes.
        var waiting = Queue<(bytes: Int, completion: Completion<Void>)>()
        var news: [News] = []
        var isReporting = false
        var isFinishing = false
        var finishing: [Completion<Void>] = []
    }

    /// What the producer does beside what its callers do; it ends with the producer.
    struct AtWork {
        var connecting: Task<Void, Never>?
        var listing: Task<Void, Never>?

        mutating func takeAll() -> [Task<Void, Never>] {
            defer { self = AtWork() }
            return [self.connecting, self.listing].compactMap { $0 }
        }
    }

    enum News {
        case chunk(RecordChunk)
        case record(any ChunkSink, position: Int, PutResult)
        case notice(ProducerNotice)
    }

    let client: WeirClient
    let stream: StreamDescription
    let configuration: ProducerConfiguration
    let sessionID: UInt64
    let lingerNanos: UInt64
    /// Whether records are taken, mirrored here so that asking takes no lock.
    let gate = Atomic<UInt8>(Gate.open.rawValue)

    /// Records after which a chunk is full: those of one request, or more while requests have to wait anyway and a
    /// larger chunk holds more records for each shard.
    let chunkRecords: Atomic<Int>

    enum Gate: UInt8 {
        case open
        /// The buffer is full: wait.
        case full
        /// Nothing is taken any more.
        case closed
    }
    let staging = Mutex(Staging())
    let state: Mutex<State>
    private let alarms = Mutex<(linger: Alarm?, machine: Alarm?)>((nil, nil))

    init(client: WeirClient, stream: StreamDescription, configuration: ProducerConfiguration) {
        self.client = client
        self.stream = stream
        self.configuration = configuration
        // 0 would mean no session.
        self.sessionID = max(1, client.dice())
        self.lingerNanos = configuration.linger.nanos
        self.chunkRecords = Atomic(configuration.batchRecords)
        self.state = Mutex(
            State(machine: ProducerMachine(.init(configuration, retry: client.configuration.retry))))
        let linger = Alarm(clock: client.clock) { [weak self] in self?.lingerIsOver() }
        let machine = Alarm(clock: client.clock) { [weak self] in self?.timeHasPassed() }
        self.alarms.withLock { $0 = (linger, machine) }
    }

    var now: UInt64 { self.client.clock.monotonicNanos }

    /// Begins to connect.
    func start() { self.update { _, _ in () } }

    private func timeHasPassed() {
        self.update { state, now in state.machine.tick(now: now) }
    }

    func armLinger(at nanoseconds: UInt64) {
        self.alarms.withLock { $0.linger }?.arm(at: nanoseconds)
    }
}

// MARK: - The one way to change the machine

extension ProducerCore {
    /// What is to be done once no lock is held.
    struct Effects {
        fileprivate var shouldReport = false
        fileprivate var connectGeneration: Int?
        fileprivate var fetchMapOver: ClientConnection?
        fileprivate var disconnect: ClientConnection?
        fileprivate var resume: [Completion<Void>] = []
        fileprivate var finished: [Completion<Void>] = []
        fileprivate var deadline: UInt64?

        init() {}

        mutating func merge(_ other: Effects) {
            self.shouldReport = self.shouldReport || other.shouldReport
            self.connectGeneration = other.connectGeneration ?? self.connectGeneration
            self.fetchMapOver = other.fetchMapOver ?? self.fetchMapOver
            self.disconnect = other.disconnect ?? self.disconnect
            self.resume += other.resume
            self.finished += other.finished
            self.deadline = other.deadline ?? self.deadline
        }
    }

    /// Changes the state, lets the machine go on as far as it can, and does what follows. Not under another lock.
    func update(_ change: (inout State, _ now: UInt64) -> Void) {
        self.perform(self.changed(change))
    }

    /// As `update`, but what follows is left to the caller.
    func changed(_ change: (inout State, _ now: UInt64) -> Void) -> Effects {
        let now = self.now
        return self.state.withLock { state in
            change(&state, now)
            return self.pump(&state, now)
        }
    }

    private func pump(_ state: inout State, _ now: UInt64) -> Effects {
        var effects = Effects()
        if state.machine.wantsDisconnect {
            effects.disconnect = state.connection
            state.connection = nil
            state.link = nil
        }
        if let connection = state.connection {
            if let link = state.link { self.send(&state, over: connection, link, now) }
            if state.machine.wantsMap(now: now) {
                state.machine.mapFetchStarted(now: now)
                effects.fetchMapOver = connection
            }
        } else if state.machine.wantsConnection, !state.isConnecting {
            state.isConnecting = true
            state.generation += 1
            effects.connectGeneration = state.generation
        }
        state.news += state.machine.takeNotices().map(News.notice)
        let completed = state.machine.takeCompleted()
        for (chunk, position) in completed.records {
            if let sink = chunk.sink {
                state.news.append(.record(sink, position: position, chunk.result(at: position)))
            }
        }
        for chunk in completed.chunks { state.news.append(.chunk(chunk)) }
        effects.shouldReport = !state.news.isEmpty && !state.isReporting
        if effects.shouldReport { state.isReporting = true }
        self.makeRoom(&state, &effects)
        self.chunkRecords.store(state.machine.chunkRecords, ordering: .relaxed)
        if state.isFinishing, state.charged == 0 {
            swap(&effects.finished, &state.finishing)
        }
        effects.deadline = state.machine.nextDeadline(now: now)
        return effects
    }

    private func send(
        _ state: inout State, over connection: ClientConnection, _ link: ProducerLink, _ now: UInt64
    ) {
        while let request = state.machine.nextRequest(now: now, mayPut: { connection.mayPut($0) }) {
            let payloadBytes = request.payloadBytes
            // When the connection has ended in the meantime it says so soon, and the machine takes everything back.
            _ = connection.put(bytes: payloadBytes, sequence: request.sequence, link) { correlation in
                let length = FrameHeader.bytes + payloadBytes
                var frame = state.frames.take(capacity: length)
                frame.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { raw in
                    request.write(to: raw, stream: self.stream.id, correlation: correlation)
                    return length
                }
                state.frames.giveBack(frame)
                return frame
            }
        }
    }

    /// Lets callers go on that wait for room, as far as there is some.
    private func makeRoom(_ state: inout State, _ effects: inout Effects) {
        if let refusal = Self.refusal(state) {
            while let next = state.waiting.popFirst() { next.completion.finish(.failure(refusal)) }
        }
        var room = self.configuration.bufferBytes - state.charged
        while room > 0, let next = state.waiting.popFirst() {
            room -= next.bytes
            effects.resume.append(next.completion)
        }
        let gate: Gate =
            if state.isFinishing || state.machine.failure != nil {
                .closed
            } else if state.charged >= self.configuration.bufferBytes {
                .full
            } else {
                .open
            }
        self.gate.store(gate.rawValue, ordering: .relaxed)
    }

    func perform(_ effects: Effects) {
        if let deadline = effects.deadline { self.alarms.withLock { $0.machine }?.arm(at: deadline) }
        effects.disconnect?.close()
        for completion in effects.resume { completion.finish(.success(())) }
        for completion in effects.finished { completion.finish(.success(())) }
        if let generation = effects.connectGeneration { self.connect(generation) }
        if let connection = effects.fetchMapOver { self.fetchMap(over: connection) }
        if effects.shouldReport { self.report() }
    }
}

// MARK: - Reporting

extension ProducerCore.State {
    /// An empty chunk.
    mutating func takeSpare() -> RecordChunk {
        guard let chunk = self.spare.popLast() else { return RecordChunk() }
        self.spareBytes -= chunk.footprint
        return chunk
    }
}

extension ProducerCore {
    /// Passes results on until there are none. One thread at a time does it, so that their order is kept.
    private func report() {
        var reported: [RecordChunk] = []
        while true {
            var news: [News] = []
            let now = self.now
            let effects = self.state.withLock { state -> Effects in
                for chunk in reported { self.release(chunk, &state) }
                if !reported.isEmpty {
                    let effects = self.pump(&state, now)
                    swap(&news, &state.news)
                    state.isReporting = !news.isEmpty
                    return effects
                }
                swap(&news, &state.news)
                state.isReporting = !news.isEmpty
                return Effects()
            }
            // Whoever reports keeps reporting: `isReporting` was set, so the pump has left that to this loop.
            self.perform(effects)
            if news.isEmpty { return }
            reported.removeAll(keepingCapacity: true)
            for item in news {
                switch item {
                case .record(let sink, let position, let result): sink.resolved(position, result)
                case .notice(let notice): self.tell(notice)
                case .chunk(let chunk): reported += chunk.sink?.completed(chunk) ?? [chunk]
                }
            }
        }
    }

    private func tell(_ notice: ProducerNotice) {
        switch notice {
        case .heldBack(let error):
            self.client.configuration.logger?.warning(
                "records are held back and tried again",
                metadata: ["stream": "\(self.stream.name)", "reason": "\(error.message)"])
        case .goesOn:
            self.client.configuration.logger?.notice(
                "records are stored again", metadata: ["stream": "\(self.stream.name)"])
        }
        self.configuration.onNotice?(notice)
    }

    /// The results of a chunk have been passed on: it is free.
    private func release(_ chunk: RecordChunk, _ state: inout State) {
        state.machine.reported(chunk.ordinal)
        state.charged -= chunk.charged
        let bytes = chunk.footprint
        if state.spareBytes + bytes <= self.configuration.bufferBytes {
            chunk.clear()
            state.spare.append(chunk)
            state.spareBytes += bytes
        }
    }
}
