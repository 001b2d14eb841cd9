// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirModel

/// One run of `weir put`: a task feeds lines to the producer, another one reports what became of them.
struct PutSession: Sendable {
    let input: InputReader
    let producer: Producer
    let form: PutFeeder.Form
    let isJSON: Bool
    let progress: Progress

    private enum Event: Sendable {
        case results(PutResults)
        case refused(before: UInt64, WeirError)
    }

    /// Results that wait to be reported, at most; then the feeder waits.
    static let backlogMax = 262_144

    /// Ends when all input has been put or refused, or when it makes no sense to go on. Throws `OutputClosed`, and what
    /// reading the input throws.
    func run() async throws -> PutOutcome {
        let (events, sender) = AsyncStream.makeStream(of: Event.self)
        let backlog = Backlog(max: Self.backlogMax)
        async let reported = self.report(events, backlog)
        var stopped: WeirError?
        do {
            stopped = try await self.feed(sender, backlog)
        } catch {
            self.producer.cancel()
            sender.finish()
            _ = try await reported
            throw error
        }
        sender.finish()
        var outcome = try await reported
        if outcome.stopped == nil { outcome.stopped = stopped }
        return outcome
    }

    // MARK: Feeding

    /// Returns what the producer failed with, if it did.
    private func feed(_ sender: AsyncStream<Event>.Continuation, _ backlog: Backlog) async throws -> WeirError? {
        let batcher = self.producer.batcher { results in
            backlog.add(results.count)
            sender.yield(.results(results))
        }
        do {
            try await self.feed(batcher, sender, backlog)
            try await batcher.drain()
            try await self.producer.finish()
            return nil
        } catch let error as WeirError {
            self.input.stop()
            // What is still under way gets its results, which are failures.
            self.producer.cancel()
            try? await batcher.drain()
            return error
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
                    chunk.bytes.withUnsafeBytes { bytes in
                        isUsedUp = feeder.feed(
                            UnsafeRawBufferPointer(rebasing: bytes[..<chunk.count]),
                            append: { key, hash, data throws(WeirError) in
                                try filler.append(key: key, explicitHashKey: hash, data: data)
                            }, refuse: refuse)
                    }
                }
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
                    outcome.stopped = error
                    self.input.stop()
                    self.producer.cancel()
                }
            case .refused(let record, let error): order.refuse(before: record, error, visit)
            }
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

    private static let nobodyReads = WeirError(.internalFailure, "nobody reads the results any more")

    /// The server has been silent for too long: nothing that comes later would fare better.
    private static func givesUp(_ results: PutResults) -> WeirError? {
        guard !results.allStored, case .failure(let error) = results.last, error.code == .timedOut else { return nil }
        return error
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
