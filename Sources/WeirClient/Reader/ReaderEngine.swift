// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

/// Reads one shard or a whole stream for one consumer: nothing happens but when the consumer asks for the next batch,
/// apart from what the subscriptions fetch ahead.
final class ReaderEngine {
    struct Plan: Sendable {
        enum Scope: Sendable {
            case shard(ShardNumber, ShardIteratorType)
            case stream(StreamStart)
        }

        let stream: StreamID
        let scope: Scope
        let end: ReadEnd
        let reader: Reader
        let configuration: ReaderConfiguration
    }

    /// A shard whose subscription has been silent for so long may have lost what it was to read to expiry: only then
    /// is asked, when reading to the tip.
    private static let probeNanos: UInt64 = 1_000_000_000
    private static let creditRange = 16 << 10...4 << 20

    private let client: WeirClient
    private let plan: Plan
    private let mailbox = ReaderMailbox()
    private let alarm: Alarm
    private var follower: LineageFollower?
    private var cursors: [ShardNumber: ShardCursor] = [:]
    private var slots: [ShardNumber: any ReadSlot] = [:]
    /// Shards whose begin, and end, are known.
    private var bounds: [ShardNumber: ShardBounds] = [:]
    /// Since when nothing has come but errors.
    private var lostSince: UInt64?
    /// Shards that wait for their next attempt.
    private var retrying: Set<ShardNumber> = []
    /// Shards that are being asked after.
    private var probes: [ShardNumber: Task<Void, Never>] = [:]
    private var state = Running.goesOn

    private enum Running {
        case goesOn
        /// All was read, or an error was thrown: nothing comes any more.
        case over
        /// The task was cancelled: no records, and no end either.
        case cancelled
    }

    struct ShardBounds: Sendable {
        var start: ReadStart
        var limit = UInt64.max
    }

    init(_ client: WeirClient, _ plan: Plan) {
        self.client = client
        self.plan = plan
        let mailbox = self.mailbox
        self.alarm = Alarm(clock: client.clock) { mailbox.wake() }
    }

    deinit { self.cancelAll() }

    /// The next batch; `nil` at the end. Throws `CancellationError` when the task is cancelled, now and ever after.
    func next() async throws -> RecordBatch? {
        switch self.state {
        case .goesOn: break
        case .over: return nil
        case .cancelled: throw CancellationError()
        }
        do {
            if let batch = try await self.find() { return batch }
        } catch {
            self.close(error is CancellationError ? .cancelled : .over)
            throw error
        }
        self.close(.over)
        return nil
    }

    private func cancelAll() {
        for slot in self.slots.values { slot.cancel() }
        for probe in self.probes.values { probe.cancel() }
    }

    private func close(_ state: Running) {
        self.state = state
        self.cancelAll()
        self.slots = [:]
        self.probes = [:]
        self.cursors = [:]
    }

    private func find() async throws -> RecordBatch? {
        if self.follower == nil {
            let (follower, bounds) = try await self.patiently { try await self.plan.begin(self.client) }
            self.follower = follower
            self.bounds = bounds
        }
        while true {
            try Task.checkCancellation()
            if self.follower?.needsListing == true {
                self.follower?.listed(try await self.listAll())
            }
            self.startReady()
            guard self.follower?.isDone == false else { return nil }
            if let event = self.mailbox.take() {
                if let batch = try self.handle(event) { return batch }
            } else {
                self.doWhatIsDue()
                try await self.mailbox.wait()
            }
        }
    }

    /// Asks again while the server is away, for as long as a reader waits for it, as where subscriptions are cut.
    private func patiently<Answer>(_ ask: () async throws -> Answer) async throws -> Answer {
        var failures = 0
        while true {
            do {
                let answer = try await ask()
                self.lostSince = nil
                return answer
            } catch let error as WeirError {
                failures += 1
                let decision = self.client.configuration.retry.decide(
                    error, attempt: failures, isRepeatable: true, dice: self.client.dice())
                guard case .again(let pause) = decision else { throw error }
                let now = self.client.clock.monotonicNanos
                try self.noteLost(error, now)
                try await self.client.clock.sleep(until: now + pause)
            }
        }
    }

    /// Nothing but errors comes; throws when that has lasted for too long.
    private func noteLost(_ error: WeirError, _ now: UInt64) throws {
        let since = self.lostSince ?? now
        self.lostSince = since
        if let timeout = self.plan.configuration.timeout, now - since >= timeout.nanos { throw error }
    }

    private func listAll() async throws -> [ShardDescription] {
        do {
            return try await self.patiently {
                try await self.client.shardListing(self.plan.stream, .fromTrimHorizon, timeout: nil).shards
            }
        } catch let error as WeirError where error.code == .streamNotFound {
            throw WeirError(.streamDeleted, error.message)
        }
    }

    // MARK: Shards begin and end

    private func startReady() {
        var started: [ShardNumber] = []
        let runningMax = self.plan.end == .tip ? max(1, self.plan.configuration.shardsAtOnce) : Int.max
        while let running = self.follower?.runningCount, running < runningMax, let shard = self.follower?.takeReady() {
            let bounds = self.bounds.removeValue(forKey: shard)
            if let bounds, let first = bounds.firstIndex, first >= bounds.limit {
                self.follower?.finished(shard, children: [])
            } else {
                self.bounds[shard] = bounds
                started.append(shard)
            }
        }
        let share = self.plan.configuration.prefetchBytes / max(1, self.follower?.runningCount ?? 1)
        let creditMax = self.polling?.bytesPerRead ?? Self.creditRange.upperBound
        let credit = min(max(share, Self.creditRange.lowerBound), creditMax)
        for shard in started {
            let bounds = self.bounds.removeValue(forKey: shard) ?? ShardBounds(start: .iterator(.trimHorizon))
            self.cursors[shard] = ShardCursor(
                start: bounds.start, limit: bounds.limit, creditBytes: credit, now: self.client.clock.monotonicNanos)
            self.ask(shard)
        }
    }

    /// `nil`: records are pushed.
    private var polling: Polling? {
        if case .polled(let polling) = self.plan.configuration.retrieval { polling } else { nil }
    }

    /// Subscribes to the shard, or asks it once.
    private func ask(_ shard: ShardNumber) {
        guard let cursor = self.cursors[shard] else { return }
        self.cursors[shard]?.asks(now: self.client.clock.monotonicNanos)
        self.retrying.remove(shard)
        let lease = self.plan.reader.lease.map {
            ReadLease(application: SentName($0.application), counter: $0.counter)
        }
        guard let polling else {
            let slot = SubscriptionSlot(shard, self.mailbox)
            self.slots[shard] = slot
            return slot.subscribe(
                Subscribe(
                    stream: self.plan.stream, shard: shard, start: cursor.start,
                    creditBytes: UInt32(cursor.creditBytes), lease: lease,
                    consumer: self.plan.reader.consumer.map { SentName($0) }),
                with: self.client)
        }
        let slot = PollSlot(shard, self.mailbox)
        self.slots[shard] = slot
        slot.read(
            GetRecords(
                from: .place(self.plan.stream, shard, cursor.start), limit: UInt32(polling.recordsPerRead),
                maxBytes: UInt32(cursor.creditBytes), lease: lease),
            with: self.client)
    }

    private func finish(_ shard: ShardNumber, children: [ShardDescription]) {
        self.slots.removeValue(forKey: shard)?.cancel()
        self.cursors[shard] = nil
        self.retrying.remove(shard)
        self.follower?.finished(shard, children: children)
    }

    // MARK: Events

    private func handle(_ event: ReaderMailbox.Event) throws -> RecordBatch? {
        switch event {
        case .subscribed(let slot):
            if self.slots[slot.shard] === slot { self.lostSince = nil }
        case .pushed(let slot, let payload):
            guard self.slots[slot.shard] === slot else { return nil }
            return try self.took(of: slot) { limit throws(MalformedBytes) in
                try RecordBatch(push: payload, limit: limit)
            }
        case .answered(let slot, let payload):
            guard self.slots[slot.shard] === slot else { return nil }
            self.slots[slot.shard] = nil
            return try self.took(of: slot) { limit throws(MalformedBytes) in
                try RecordBatch(answer: payload, limit: limit)
            }
        case .ended(let slot, let error):
            if self.slots[slot.shard] === slot { try self.ended(slot.shard, error) }
        case .probed(let shard, let horizon):
            self.probes[shard] = nil
            self.cursors[shard]?.isProbing = false
            if let cursor = self.cursors[shard], horizon >= cursor.limit { self.finish(shard, children: []) }
        }
        return nil
    }

    private func took(
        of slot: any ReadSlot, _ read: (_ limit: UInt64) throws(MalformedBytes) -> RecordBatch
    ) throws -> RecordBatch? {
        self.lostSince = nil
        let shard = slot.shard
        guard var cursor = self.cursors[shard] else { return nil }
        let batch: RecordBatch
        do {
            batch = try read(cursor.limit)
        } catch {
            throw WeirError(.damaged, "records of \(shard) arrived damaged: \(error.description)")
        }
        guard batch.shard == shard, batch.stream == self.plan.stream else {
            throw WeirError(.malformedRequest, "the server does not keep to the protocol: records of another shard")
        }
        let now = self.client.clock.monotonicNanos
        try cursor.took(batch, now: now)
        if let bytes = cursor.takeGrant() { slot.grant(bytes) }
        if let polling {
            cursor.rests(polling.idle.nanos, now: now)
            self.retrying.insert(shard)
        }
        self.cursors[shard] = cursor
        if let children = batch.endOfShard {
            self.finish(shard, children: children)
        } else if cursor.isAtLimit {
            self.finish(shard, children: [])
        }
        return batch.count > 0 || batch.missedRecords > 0 || batch.endOfShard != nil ? batch : nil
    }

    private func ended(_ shard: ShardNumber, _ error: WeirError) throws {
        let now = self.client.clock.monotonicNanos
        self.slots[shard] = nil
        let verdict = self.cursors[shard]?.ended(
            error, retry: self.client.configuration.retry, now: now, dice: self.client.dice())
        switch verdict {
        case .fail(let error): throw error
        case .gone:
            self.cursors[shard] = nil
            self.follower?.gone(shard)
        case .again:
            self.retrying.insert(shard)
            try self.noteLost(error, now)
        case .throttled:
            self.retrying.insert(shard)
            self.lostSince = nil
        case nil: break
        }
    }

    /// Subscribes again where it is time, asks after shards that are silent, and sets the alarm for the rest.
    private func doWhatIsDue() {
        let now = self.client.clock.monotonicNanos
        var next: UInt64?
        for shard in self.retrying {
            guard let retryAt = self.cursors[shard]?.retryAt else { continue }
            if retryAt <= now { self.ask(shard) } else { next = min(next ?? retryAt, retryAt) }
        }
        // Whoever asks is told by the answers.
        if self.plan.end == .tip, self.polling == nil {
            for (shard, cursor) in self.cursors where cursor.mayBeProbed {
                let probeAt = cursor.lastHeard + Self.probeNanos
                if probeAt <= now { self.probe(shard) } else { next = min(next ?? probeAt, probeAt) }
            }
        }
        if let next { self.alarm.arm(at: next) }
    }

    private func probe(_ shard: ShardNumber) {
        self.cursors[shard]?.isProbing = true
        self.cursors[shard]?.lastHeard = self.client.clock.monotonicNanos
        let (client, stream, mailbox) = (self.client, self.plan.stream, self.mailbox)
        // The reader goes on meanwhile. When it fails the subscription will tell why; it is asked again later.
        self.probes[shard] = Task {
            let horizon = try? await client.index(of: .trimHorizon, in: shard, of: stream)
            mailbox.post(.probed(shard, horizon: horizon ?? 0))
        }
    }
}
