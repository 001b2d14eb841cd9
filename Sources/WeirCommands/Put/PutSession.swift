// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirJSON
import WeirModel

/// One run of `weir put`: a task feeds lines to the producer, another one reports what became of them.
struct PutSession: Sendable {
    let input: InputReader
    let producer: Producer
    let form: PutFeeder.Form
    let isJSON: Bool
    let progress: Progress
    private let counts = PutCounts()

    init(input: InputReader, producer: Producer, form: PutFeeder.Form, isJSON: Bool, progress: Progress) {
        self.input = input
        self.producer = producer
        self.form = form
        self.isJSON = isJSON
        self.progress = progress
    }

    private enum Event: Sendable {
        case results(PutResults)
        case refused(before: UInt64, WeirError)
    }

    /// Results that wait to be reported, at most; then the feeder waits.
    static let backlogMax = 262_144

    /// Ends when all input has been put or refused, or when it makes no sense to go on. Throws when the results cannot
    /// be written.
    func run() async throws -> PutOutcome {
        let (events, sender) = AsyncStream.makeStream(of: Event.self)
        let backlog = Backlog(max: Self.backlogMax)
        async let reported = self.report(events, backlog)
        let stopped = await self.feed(sender, backlog)
        sender.finish()
        var outcome = try await reported
        if outcome.stopped == nil { outcome.stopped = stopped }
        if self.counts.isGivenUp, outcome.failed > 0 { outcome.stopped = Self.interruption }
        return outcome
    }

    // MARK: Signals

    static let patience: Duration = .seconds(10)

    private static let interrupted = WeirError(
        .unavailable, "the put was interrupted before the record was stored",
        verdict: .init(maybeStored: false, retry: .after(millis: 0)))

    /// The first signal ends the input; what was taken is finished. The second one, or the end of patience, gives that
    /// up: every record has a result then.
    var handlers: Interrupts.Handlers {
        Interrupts.Handlers(
            finish: {
                self.input.stop()
                let unfinished = self.counts.unfinished
                if unfinished > 0 {
                    Messages.write(
                        "finishing \(CountText.describe(unfinished, "record")), for at most "
                            + "\(Self.patience.components.seconds) s; "
                            + "another signal gives up at once")
                }
            },
            giveUp: {
                self.counts.giveUp()
                self.producer.cancel(Self.interrupted)
            },
            // The results are stuck: whoever should read them does not.
            lastWords: { Messages.write(self.counts.outcome(stopped: Self.interruption).failure?.description ?? "") },
            patience: Self.patience)
    }

    private static let interruption = Failure(.tryAgain, "interrupted")

    // MARK: Feeding

    /// Returns what ended it before the end of the input, if something did.
    private func feed(_ sender: AsyncStream<Event>.Continuation, _ backlog: Backlog) async -> Failure? {
        let batcher = self.producer.batcher { results in
            backlog.add(results.count)
            sender.yield(.results(results))
        }
        var stopped: Failure?
        do {
            try await self.feed(batcher, sender, backlog)
        } catch {
            stopped = self.failure(error)
            self.input.stop()
        }
        do {
            // What was taken gets its results, whatever they are.
            try await batcher.drain()
            try await self.producer.finish()
        } catch {
            self.producer.cancel()
            stopped = stopped ?? self.failure(error)
        }
        return stopped
    }

    private func failure(_ error: any Error) -> Failure {
        switch error {
        case let failure as Failure: failure
        case let error as WeirError: Failure(error.naming(self.producer.stream.name))
        default: Failure(.failed, "\(error)")
        }
    }

    private func feed(
        _ batcher: ProducerBatcher, _ sender: AsyncStream<Event>.Continuation, _ backlog: Backlog
    ) async throws {
        var feeder = PutFeeder(
            self.form, recordBytesMax: self.producer.stream.settings.recordBytesMax,
            seed: UInt64.random(in: UInt64.min...UInt64.max))
        func refuse(_ before: UInt64, _ error: WeirError) {
            backlog.add(1)
            sender.yield(.refused(before: before, error))
        }
        while let chunk = try await self.input.next() {
            var isUsedUp = false
            while !isUsedUp {
                await backlog.waitForRoom()
                try await batcher.fill { filler in
                    // What was read and not taken when a signal came is not put.
                    guard !self.input.isStopped else {
                        isUsedUp = true
                        return
                    }
                    chunk.bytes.withUnsafeBytes { bytes in
                        isUsedUp = feeder.feed(
                            UnsafeRawBufferPointer(rebasing: bytes[..<chunk.count]),
                            append: { key, hash, data throws(WeirError) in
                                try filler.append(key: key, explicitHashKey: hash, data: data)
                            }, refuse: refuse)
                    }
                }
                self.counts.took(feeder.recordCount)
            }
            self.input.recycle(chunk)
            self.progress.setBytes(feeder.byteCount)
        }
        // What a signal cut off is not a line.
        guard !self.input.isStopped else { return }
        var isDone = false
        while !isDone {
            try await batcher.fill { filler in
                isDone = feeder.finish(
                    append: { key, hash, data throws(WeirError) in
                        try filler.append(key: key, explicitHashKey: hash, data: data)
                    }, refuse: refuse)
            }
        }
        self.counts.took(feeder.recordCount)
        self.progress.setBytes(feeder.byteCount)
    }

    // MARK: Reporting

    private func report(_ events: AsyncStream<Event>, _ backlog: Backlog) async throws -> PutOutcome {
        var outcome = PutOutcome()
        var order = PutOrder()
        let output = StandardOutput()
        var digits = SequenceDigits()
        var isReading = true
        for await event in events {
            let before = (lines: outcome.acknowledged + outcome.failed, records: outcome.acknowledged)
            let visit = { (result: LineResult) in
                outcome.count(result)
                if self.isJSON && isReading { output.bytes.append(result, &digits) }
            }
            switch event {
            case .results(let results):
                order.add(results, visit)
                if outcome.stopped == nil, let error = Self.givesUp(results) {
                    outcome.stopped = Failure(error)
                    self.input.stop()
                    // The others stand for the same reason.
                    self.producer.cancel(error)
                }
            case .refused(let record, let error): order.refuse(before: record, error, visit)
            }
            self.counts.report(outcome)
            self.progress.add(records: outcome.acknowledged - before.records, bytes: 0)
            do {
                try output.flush()
            } catch is OutputClosed {
                // The rest of the results is for nobody; putting more makes no sense either.
                isReading = false
                if outcome.stopped == nil { outcome.stopped = Self.nobodyReads }
                self.input.stop()
            }
            backlog.remove(outcome.acknowledged + outcome.failed - before.lines)
        }
        return outcome
    }

    private static let nobodyReads = Failure(.failed, "nobody reads the results any more")

    /// The producer has given up what it would have tried again, because the server was silent or stored nothing for
    /// too long: nothing that comes later would fare better.
    private static func givesUp(_ results: PutResults) -> WeirError? {
        guard !results.allStored else { return nil }
        for case .failure(let error) in results {
            if case .after = error.verdict.retry { return error }
        }
        return nil
    }
}

/// How many results wait to be reported; holds the feeder back.
final class Backlog: Sendable {
    private struct State {
        var count = 0
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let max: Int
    private let state = Mutex(State())

    init(max: Int) {
        self.max = max
    }

    func add(_ count: Int) {
        self.state.withLock { $0.count += count }
    }

    func remove(_ count: Int) {
        let waiting = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.count -= count
            return state.count < self.max ? state.waiting.take() : nil
        }
        waiting?.resume()
    }

    /// For one task at a time.
    func waitForRoom() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let goOn = self.state.withLock { state -> Bool in
                if state.count < self.max { return true }
                state.waiting = continuation
                return false
            }
            if goOn { continuation.resume() }
        }
    }
}

/// How a put stands, for those who must not wait for it.
final class PutCounts: Sendable {
    private struct State {
        var taken = 0
        var outcome = PutOutcome()
        var isGivenUp = false
    }

    private let state = Mutex(State())

    func took(_ records: UInt64) { self.state.withLock { $0.taken = Int(clamping: records) } }
    func report(_ outcome: PutOutcome) { self.state.withLock { $0.outcome = outcome } }
    func giveUp() { self.state.withLock { $0.isGivenUp = true } }

    var isGivenUp: Bool { self.state.withLock { $0.isGivenUp } }

    /// Records that were taken and have no result.
    var unfinished: Int {
        self.state.withLock { max(0, $0.taken - $0.outcome.acknowledged - $0.outcome.failedRecords) }
    }

    /// What became of the records so far; nobody knows what became of those without a result.
    func outcome(stopped: Failure) -> PutOutcome {
        let unfinished = self.unfinished
        var outcome = self.state.withLock { $0.outcome }
        outcome.stopped = stopped
        outcome.countUnknown(unfinished)
        return outcome
    }
}
