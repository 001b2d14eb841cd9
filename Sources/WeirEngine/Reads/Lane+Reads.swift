// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// Reads of a lane: it looks at the log for them, and does what their machines say.
extension Lane {
    /// Pushes to one subscription before others have their turn.
    private static let pushesInTurn = 8

    // MARK: Beginning

    /// Finds where reading begins; `then` runs when that may be told.
    package func resolve(
        _ start: ShardIteratorType, in shard: ShardRef, _ caller: LaneCaller,
        then: @escaping (Result<UInt64, WeirError>) -> Void
    ) {
        let (missing, mark) = self.withLog { log in (log.unreadable(shard), log.refusalMark) }
        if let missing { return self.tell(.failure(missing), from: mark, to: caller, then) }
        let waiting = caller.readCount + caller.deferred
        guard waiting < self.engine.limits.readsPerCallerMax else { return then(.failure(self.tooManyWait(waiting))) }
        caller.deferred += 1
        self.lastRead += 1
        let id = self.lastRead
        caller.lookups.insert(id)
        self.lookups[id] = Lookup(caller: caller, mark: mark, then: then)
        self.engine.log.resolve(start, in: shard, nowMillis: self.engine.clock.wallMillis) { [host] result in
            host.run { $0.resolved(id, result) }
        }
    }

    /// Whether reading may begin at `index`; `then` runs with it when that may be told.
    package func check(
        _ index: UInt64, in shard: ShardRef, _ caller: LaneCaller, then: @escaping (Result<UInt64, WeirError>) -> Void
    ) {
        let (missing, mark) = self.withLog { log in (log.unreadable(shard, from: index), log.refusalMark) }
        self.tell(missing.map { .failure($0) } ?? .success(index), from: mark, to: caller, then)
    }

    /// A position that is being looked up.
    struct Lookup {
        let caller: LaneCaller
        let mark: Mark
        let then: (Result<UInt64, WeirError>) -> Void
    }

    private func resolved(_ id: UInt64, _ result: Result<UInt64, WeirError>) {
        guard let lookup = self.lookups.removeValue(forKey: id) else { return }
        lookup.caller.lookups.remove(id)
        lookup.caller.deferred -= 1
        self.tell(result, from: lookup.mark, to: lookup.caller, lookup.then)
        lookup.caller.member?.lookAgain()
    }

    /// Gives `then` the result once `mark` is reached.
    private func tell<Value>(
        _ result: Result<Value, WeirError>, from mark: Mark, to caller: LaneCaller,
        _ then: @escaping (Result<Value, WeirError>) -> Void
    ) {
        self.whenDurable(mark, for: caller) {
            then(result)
        } onFailure: {
            then(.failure(Self.writeFailed))
        }
    }

    private static var writeFailed: WeirError {
        WeirError(
            .unavailable, "a write failed before this could be answered; try again",
            verdict: .init(maybeStored: true, retry: .after(millis: 200)))
    }

    private func tooManyWait(_ count: Int) -> WeirError {
        WeirError(
            .limitExceeded,
            "\(count) requests of this connection wait; \(self.engine.limits.readsPerCallerMax) may",
            verdict: .init(maybeStored: false, retry: .after(millis: 100)))
    }

    /// Reads once from `index` on. `then` gets records, or none when `deadlineNanos` has come without any.
    package func read(
        _ call: ReadCall, from index: UInt64, until deadlineNanos: UInt64, _ caller: LaneCaller,
        then: @escaping (Result<FoundRecords, WeirError>) -> Void
    ) {
        do throws(WeirError) {
            guard caller.readCount < self.engine.limits.readsPerCallerMax else {
                throw self.tooManyWait(caller.readCount)
            }
            let machine = ReadMachine(.once(deadlineNanos: deadlineNanos), from: index)
            self.continueRead(try self.begin(call, machine, caller, to: .once(then)))
        } catch {
            then(.failure(error))
        }
    }

    /// Why a subscription may not begin, told by its lease and its consumer.
    package func refusal(of call: ReadCall) -> (error: WeirError, mark: Mark)? {
        self.withLog { log in call.reader.refusal(call.shard, log.leases).map { ($0, log.leaseMark) } }
    }

    /// Pushes records from `index` on to `sink`. Returns the subscription; nothing is pushed before `startPushing`.
    package func subscribe(
        _ call: ReadCall, from index: UInt64, credit: SubscriptionCredit, _ caller: LaneCaller, to sink: any RecordSink
    ) throws(WeirError) -> UInt64 {
        guard caller.subscriptionCount < self.engine.limits.subscriptionsPerCallerMax else {
            throw WeirError(
                .limitExceeded,
                "this connection has \(caller.subscriptionCount) subscriptions; "
                    + "\(self.engine.limits.subscriptionsPerCallerMax) are allowed")
        }
        let id = try self.begin(call, ReadMachine(.pushed(credit), from: index), caller, to: .pushed(sink))
        caller.subscriptionCount += 1
        return id
    }

    package func startPushing(_ subscription: UInt64) { self.continueRead(subscription) }

    private func begin(
        _ call: ReadCall, _ machine: ReadMachine, _ caller: LaneCaller, to sink: ReadTask.Sink
    ) throws(WeirError) -> UInt64 {
        try self.engine.takeWaiter()
        self.lastRead += 1
        let task = ReadTask(self.lastRead, call, machine, of: caller, to: sink)
        self.reads[task.id] = task
        caller.reads[task.id] = task
        return task.id
    }

    // MARK: What callers say

    /// The caller takes so many bytes more of a subscription.
    package func grant(_ bytes: UInt32, to subscription: UInt64) {
        guard let task = self.reads[subscription] else { return }
        if task.machine.grant(bytes: bytes) { self.continueRead(subscription) }
    }

    /// The caller reads again: subscriptions that waited for that go on.
    package func sinkHasRoom(_ caller: LaneCaller) {
        guard caller.subscriptionCount > 0 else { return }
        let waiting = caller.reads.values.filter { $0.machine.state == .wantsRoom }.sorted { $0.id < $1.id }
        // Who is behind the one that was served last comes first: or the first one, with much credit, took all room.
        let next = waiting.firstIndex { $0.id > caller.lastWithRoom } ?? 0
        for task in waiting[next...] + waiting[..<next] {
            guard caller.member?.hasRoom ?? false else { return }
            caller.lastWithRoom = task.id
            self.continueRead(task.id)
        }
    }

    /// Records that were given have left, or the caller has.
    package func left(_ found: FoundRecords) { self.engine.readMemory.release(found.batchBytes) }

    /// The subscription ends without a word.
    package func unsubscribe(_ subscription: UInt64) {
        if let task = self.reads[subscription] { self.end(task) }
    }

    // MARK: Ending

    /// The caller is to be told what there is: subscriptions end with `error`, reads are answered.
    package func endReading(of caller: LaneCaller, _ error: WeirError) {
        caller.isGoingDown = true
        for task in caller.reads.values.sorted(by: { $0.id < $1.id }) {
            if case .pushed(let sink) = task.sink {
                self.end(task)
                self.counters.count(error: error.code)
                sink.ended(error)
            } else {
                self.continueRead(task.id)
            }
        }
    }

    /// The caller is gone.
    package func endAllReads(of caller: LaneCaller) {
        for task in caller.reads.values.sorted(by: { $0.id < $1.id }) { self.end(task) }
        for id in caller.lookups where self.lookups.removeValue(forKey: id) != nil { caller.deferred -= 1 }
        caller.lookups.removeAll()
    }

    func endReads(of stream: StreamID) {
        for task in self.reads.values.sorted(by: { $0.id < $1.id }) where task.shard.stream == stream {
            if case .pushed(let sink) = task.sink {
                self.end(task)
                self.counters.count(error: .streamDeleted)
                sink.ended(WeirError(.streamDeleted, "the stream was deleted"))
            } else {
                self.continueRead(task.id)
            }
        }
    }

    /// Not under way any more.
    private func end(_ task: ReadTask, isEmpty: Bool = true) {
        guard self.reads.removeValue(forKey: task.id) != nil else { return }
        task.caller.reads[task.id] = nil
        if task.machine.isPushed { task.caller.subscriptionCount -= 1 }
        self.stopWaiting(.read(task.id))
        self.giveUpMemory(of: task)
        self.engine.releaseWaiter()
        if isEmpty, task.isAdmitted, let settings = task.settings, settings.limits.readsOut != nil {
            self.engine.reading(of: task.shard, settings, by: nil) { admission, _ in admission.giveBackRead() }
        }
    }

    // MARK: Going on

    /// Looks for a read, for the first time or again.
    func continueRead(_ id: UInt64) {
        for _ in 0..<Self.pushesInTurn {
            guard let task = self.reads[id] else { return }
            guard task.machine.mayLook(hasRoom: task.caller.member?.hasRoom ?? false) else {
                return self.giveUpMemory(of: task)
            }
            guard self.takeMemory(for: task) else { return }
            let request = ReadRequest(
                shard: task.shard, fromIndex: task.machine.index, maxRecords: task.maxRecords,
                maxBytes: task.maxBytes, nowMillis: self.engine.clock.wallMillis)
            let look = self.withLog { log in self.look(request, task, log) }
            guard self.act(task, look, request, reserved: task.maxBytes) else { return }
        }
        // There may be more: others first.
        self.wait(.read(id), for: nil, until: self.engine.clock.monotonicNanos + 1)
    }

    /// Reserves memory for a read. False: the read goes on when it gets some, or is refused when it gets none.
    private func takeMemory(for task: ReadTask) -> Bool {
        let now = self.engine.clock.monotonicNanos
        switch task.memory {
        case .granted:
            task.memory = .none
            return true
        case .waits(let ticket):
            guard !task.machine.isPushed else { return false }
            if now >= task.memoryDueNanos || task.caller.isGoingDown {
                guard self.engine.readMemory.cancel(ticket) else { return false }
                task.memory = .none
                self.refuse(task, self.noMemory, .none)
            } else {
                // It was woken by something else, and that took its time away.
                self.wait(.read(task.id), for: nil, until: task.memoryDueNanos)
            }
            return false
        case .none: break
        }
        let (id, bytes) = (task.id, task.maxBytes)
        let ticket = self.engine.readMemory.reserve(bytes) { [host] in
            host.run { $0.memoryGranted(id, bytes) }
        }
        guard let ticket else { return true }
        task.memory = .waits(ticket)
        self.waits.remove(.read(id))
        if !task.machine.isPushed {
            task.memoryDueNanos = now + (task.caller.isGoingDown ? 0 : Self.memoryPatienceNanos)
            self.wait(.read(id), for: nil, until: task.memoryDueNanos)
        }
        return false
    }

    /// How long a read that is answered once waits for memory.
    private static let memoryPatienceNanos: UInt64 = 5_000_000_000

    private var noMemory: WeirError {
        let memory = self.engine.readMemory
        return WeirError(
            .unavailable,
            "no memory for this read: \(memory.reservedBytes) of \(memory.bytesMax) bytes are in use for others, which "
                + "read slowly",
            verdict: .init(maybeStored: false, retry: .after(millis: 500)))
    }

    /// The memory that a read waited for has been reserved for it.
    private func memoryGranted(_ id: UInt64, _ bytes: Int) {
        guard let task = self.reads[id], case .waits = task.memory else { return self.engine.readMemory.release(bytes) }
        task.memory = .granted
        self.continueRead(id)
    }

    /// The read does not want it now, or not any more.
    private func giveUpMemory(of task: ReadTask) {
        switch task.memory {
        case .none: return
        case .granted: self.engine.readMemory.release(task.maxBytes)
        // When it has been granted just now, `memoryGranted` finds nobody who waits.
        case .waits(let ticket): _ = self.engine.readMemory.cancel(ticket)
        }
        task.memory = .none
    }

    /// What a look under the log's lock showed.
    private struct Look {
        var sight: ReadMachine.Sight
        var result: ReadResult?
        var error: WeirError?
        /// From when on it may be told.
        var mark = Mark.none
    }

    private func look(_ request: ReadRequest, _ task: ReadTask, _ log: LogCore) -> Look {
        if let error = log.unavailable() {
            var retry: UInt32?
            if case .after(let pause) = error.verdict.retry { retry = UInt32(clamping: pause.millis) }
            return Look(sight: .unavailable(retryMillis: retry), error: error)
        }
        if let error = log.unreadable(request.shard) { return self.refused(error, log.catalogMark, log) }
        // What a power cut could undo is not told: the next look is.
        if let error = task.reader.refusal(request.shard, log.leases) { return self.refused(error, log.leaseMark, log) }
        if let settings = log.catalog.stream(request.shard.stream)?.settings { task.settings = settings }
        if let nanos = self.rateWait(task) {
            let error = WeirError(
                .throughputExceeded, "the read rate of \(request.shard.shard) is used up",
                verdict: RetryAfter.verdict(nanos: nanos))
            return Look(sight: .throttled(nanos: nanos), error: error, mark: log.catalogMark)
        }
        do {
            guard let result = try log.readFromMemory(request) else { return Look(sight: .needsDisk) }
            // A subscription tells of nothing but records, and those are durable.
            return self.found(result, task.machine.isPushed ? .none : log.catalogMark, isSure: true)
        } catch {
            return Look(sight: .refused(mayTell: true), error: error, mark: log.catalogMark)
        }
    }

    private func refused(_ error: WeirError, _ mark: Mark, _ log: LogCore) -> Look {
        Look(sight: .refused(mayTell: log.mayTell(mark)), error: error, mark: mark)
    }

    private func found(_ result: ReadResult, _ mark: Mark, isSure: Bool) -> Look {
        let isNews = result.recordCount > 0 || result.missed > 0 || result.endOfShard != nil
        return Look(
            sight: .found(nextIndex: result.nextIndex, isNews: isNews, isSure: isSure), result: result, mark: mark)
    }

    /// How long the rate does not allow the read; `nil` when it does. One that is answered once asks only the first
    /// time.
    private func rateWait(_ task: ReadTask) -> UInt64? {
        guard let settings = task.settings else { return nil }
        let limits = settings.limits
        if task.machine.isPushed {
            guard limits.bytesOut != nil else { return nil }
            return self.engine.reading(of: task.shard, settings, by: task.reader.consumer) { admission, now in
                admission.nanosUntilBytesOut(nowNanos: now)
            }
        }
        if task.isAdmitted { return nil }
        if limits.readsOut != nil || limits.bytesOut != nil,
            let wait = self.engine.reading(of: task.shard, settings, by: nil, { $0.admitRead(nowNanos: $1) })
        {
            Counters.add(1, to: self.counters.throttledReads)
            return wait
        }
        task.isAdmitted = true
        return nil
    }

    /// Does what the machine says. `reserved`: bytes of the memory for reads that the read has, at least `maxBytes`.
    /// Returns whether it looks again at once.
    private func act(_ task: ReadTask, _ look: Look, _ request: ReadRequest, reserved: Int) -> Bool {
        let memory = self.engine.readMemory
        let now = self.engine.clock.monotonicNanos
        switch task.machine.saw(look.sight, nowNanos: now, mayWait: !task.caller.isGoingDown) {
        case .deliver:
            guard let result = look.result else { preconditionFailure("a delivery without records") }
            return self.deliver(task, result, look.mark, reserved: reserved)
        case .readDisk:
            let id = task.id
            let more = MoreMemory(memory, beyond: reserved)
            var claiming = request
            claiming.claim = { more.claim($0) }
            self.engine.log.read(claiming) { [host] result in
                host.run { lane in lane.diskAnswered(id, request, result, claimed: more) }
            }
            return false
        case .wait(let forShard, let until):
            memory.release(reserved)
            self.wait(.read(task.id), for: forShard ? task.shard : nil, until: until)
            return false
        case .refuse:
            memory.release(reserved)
            self.refuse(task, look.error ?? WeirError(.internalFailure, "a refusal without a reason"), look.mark)
            return false
        }
    }

    private func refuse(_ task: ReadTask, _ error: WeirError, _ mark: Mark) {
        self.end(task)
        switch task.sink {
        case .once(let then): self.tell(.failure(error), from: mark, to: task.caller, then)
        case .pushed(let sink):
            self.counters.count(error: error.code)
            sink.ended(error)
        }
    }

    private func diskAnswered(
        _ id: UInt64, _ request: ReadRequest, _ result: Result<ReadResult, WeirError>,
        claimed more: MoreMemory
    ) {
        let reserved = more.handOver()
        guard let task = self.reads[id], task.machine.state == .onDisk else {
            return self.engine.readMemory.release(reserved)
        }
        let look: Look
        switch result {
        case .success(let result): look = self.found(result, .none, isSure: false)
        case .failure(let error):
            if case .after(let pause) = error.verdict.retry {
                look = Look(sight: .unavailable(retryMillis: UInt32(clamping: pause.millis)), error: error)
            } else {
                look = Look(sight: .refused(mayTell: true), error: error)
            }
        }
        if self.act(task, look, request, reserved: reserved) { self.continueRead(id) }
    }

    // MARK: Giving

    /// Returns whether the read goes on at once.
    private func deliver(_ task: ReadTask, _ result: ReadResult, _ mark: Mark, reserved: Int) -> Bool {
        let memory = self.engine.readMemory
        let found: FoundRecords
        do {
            found = try FoundRecords(result, of: task.shard, exact: task.isExact)
        } catch {
            memory.release(reserved)
            self.refuse(task, WeirError(.damaged, error.description), .none)
            return false
        }
        // What was found stays counted until it has left, also while it may not be told.
        memory.change(reserved, to: found.batchBytes)
        switch task.sink {
        case .once(let then):
            self.end(task, isEmpty: found.recordCount == 0)
            self.whenDurable(mark, for: task.caller) {
                self.count(found, task)
                then(.success(found))
            } onFailure: {
                memory.release(found.batchBytes)
                then(.failure(Self.writeFailed))
            }
            return false
        case .pushed(let sink):
            task.machine.delivered(nextIndex: found.nextIndex, batchBytes: UInt32(clamping: found.batchBytes))
            self.count(found, task)
            if found.endOfShard != nil { self.end(task) }
            sink.push(found)
            return found.endOfShard == nil
        }
    }

    private func count(_ found: FoundRecords, _ task: ReadTask) {
        Counters.add(found.recordCount, to: self.counters.recordsOut)
        Counters.add(found.payload, to: self.counters.bytesOut)
        guard let settings = task.settings, settings.limits.bytesOut != nil, found.payload > 0 else { return }
        self.engine.reading(of: task.shard, settings, by: task.reader.consumer) {
            $0.charge(bytesOut: found.payload, nowNanos: $1)
        }
    }
}
