// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

extension ProducerCore {
    /// Waits while the buffer is full. Throws the failure of a producer that takes nothing any more.
    func waitForRoom(_ bytes: Int) async throws {
        guard self.gate.load(ordering: .relaxed) != Gate.open.rawValue else { return }
        let completion = Completion<Void>()
        try await completion.wait {
            self.update { state, _ in
                if let refusal = Self.refusal(state) {
                    completion.finish(.failure(refusal))
                } else {
                    // Let in at once when there is room by now.
                    state.waiting.append((bytes, completion))
                }
            }
        }
    }

    /// Why nothing is taken any more.
    static func refusal(_ state: State) -> WeirError? {
        if let failure = state.machine.failure { return failure }
        guard state.isFinishing else { return nil }
        return WeirError(
            .unavailable, "the producer was finished", verdict: .init(maybeStored: false, retry: .never))
    }

    /// Lets `body` append records for `sink` to the staged chunk, and sends it when it is full.
    ///
    /// The staged chunk holds records of one sink only: another one's are sent before, so that all records of a
    /// producer are sent in the order in which they were given.
    func stage<E: Error>(for sink: any ChunkSink, _ body: (inout BatchFiller) throws(E) -> Void) throws {
        try self.stage({ $0 === sink }, sink) { filler, _ throws(E) in try body(&filler) }
    }

    /// Stages one record, of which `completion` hears.
    func stageSingle(
        _ key: inout String, _ explicitHashKey: HashKey?, _ data: [UInt8], _ completion: Completion<PutReceipt>
    ) throws {
        var isTaken = false
        // The second time the chunk is a fresh one, which takes any record that may be.
        while !isTaken {
            try self.stage({ $0 is SinglePuts }, SinglePuts()) { filler, sink throws(WeirError) in
                isTaken = try filler.append(key: &key, explicitHashKey: explicitHashKey, data: data)
                if isTaken { (sink as? SinglePuts)?.add(completion) }
            }
        }
    }

    func filler(for chunk: RecordChunk) -> BatchFiller {
        BatchFiller(
            chunk, recordsMax: self.chunkRecords.load(ordering: .relaxed), bytesMax: self.configuration.batchBytes,
            recordBytesMax: self.stream.settings.recordBytesMax)
    }

    private func stage<E: Error>(
        _ fits: (any ChunkSink) -> Bool, _ sink: @autoclosure () -> any ChunkSink,
        _ body: (inout BatchFiller, any ChunkSink) throws(E) -> Void
    ) throws {
        var effects = Effects()
        var refusal: WeirError?
        defer { self.perform(effects) }
        try self.staging.withLock { staging in
            if let other = staging.chunk?.sink, !fits(other) { refusal = self.send(&staging, &effects) }
            let chunk = staging.chunk ?? self.state.withLock { $0.takeSpare() }
            staging.chunk = chunk
            let sink = chunk.count > 0 ? chunk.sink ?? sink() : sink()
            chunk.sink = sink
            var filler = self.filler(for: chunk)
            defer {
                filler.finish()
                if filler.isFull || (chunk.count > 0 && self.lingerNanos == 0) {
                    refusal = self.send(&staging, &effects) ?? refusal
                } else if chunk.count > 0, staging.lingerEnd == .max {
                    staging.lingerEnd = self.now + self.lingerNanos
                    self.armLinger(at: staging.lingerEnd)
                }
            }
            try body(&filler, sink)
        }
        if let refusal { throw refusal }
    }

    /// Sends what is staged without waiting for more.
    func flush() {
        var effects = Effects()
        // A failure reaches those who gave the records by their results.
        _ = self.staging.withLock { self.send(&$0, &effects) }
        self.perform(effects)
    }

    /// Hands the staged chunk to the machine; returns why it was not taken. Its records then fail.
    private func send(_ staging: inout Staging, _ effects: inout Effects) -> WeirError? {
        staging.lingerEnd = .max
        guard let chunk = staging.chunk, chunk.count > 0 else { return nil }
        staging.chunk = nil
        return self.submit(chunk, &effects)
    }

    func submit(_ chunk: RecordChunk, _ effects: inout Effects) -> WeirError? {
        chunk.sink?.willSubmit(chunk)
        chunk.seal()
        var refusal: WeirError?
        let more = self.changed { state, now in
            refusal = Self.refusal(state)
            if refusal == nil {
                do throws(WeirError) {
                    try state.machine.submit(chunk, now: now)
                    chunk.charged = chunk.memoryBytes
                    state.charged += chunk.charged
                } catch {
                    refusal = error
                }
            }
            if let refusal { self.refuse(chunk, refusal, &state) }
        }
        effects.merge(more)
        return refusal
    }

    private func refuse(_ chunk: RecordChunk, _ error: WeirError, _ state: inout State) {
        chunk.failAll(error)
        if chunk.reportsEachRecord, let sink = chunk.sink {
            for position in 0..<chunk.count { state.news.append(.record(sink, position: position, .failure(error))) }
        }
        state.news.append(.chunk(chunk))
    }

    func lingerIsOver() {
        var effects = Effects()
        let now = self.now
        let next = self.staging.withLock { staging -> UInt64 in
            if staging.lingerEnd <= now { _ = self.send(&staging, &effects) }
            return staging.lingerEnd
        }
        self.perform(effects)
        if next < .max { self.armLinger(at: next) }
    }
}

// MARK: - The end

extension ProducerCore {
    /// Takes nothing more; returns when everything is stored or failed, and reported.
    func finish() async throws {
        self.flush()
        let completion = Completion<Void>()
        try await completion.wait {
            self.update { state, _ in
                state.isFinishing = true
                state.finishing.append(completion)
            }
        }
    }

    /// What is not stored yet fails, for `reason` if there is a better one, and the connection is closed.
    /// Returns what is still at work: it ends by itself, soon.
    @discardableResult
    func cancel(_ reason: WeirError? = nil) -> [Task<Void, Never>] {
        self.flush()
        var tasks: [Task<Void, Never>] = []
        self.update { state, _ in
            state.isFinishing = true
            state.machine.fail(
                reason
                    ?? WeirError(
                        .unavailable, "the producer was finished before the record was stored",
                        verdict: .init(maybeStored: false, retry: .never)))
            tasks = state.atWork.takeAll()
        }
        for task in tasks { task.cancel() }
        self.client.unregister(self)
        return tasks
    }
}
