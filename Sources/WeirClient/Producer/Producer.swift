// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Puts records into one stream: gathers, routes, pipelines, and keeps the order of every partition key through
/// throttling, splits and merges, and cut connections.
///
/// Records of one partition key are stored in the order in which they were given to the producer. What is stored twice
/// after a cut connection (`UnknownOutcome.resend`) is stored in that order both times. When a record fails, nothing
/// that was given later with the same key is stored before the failure has been reported, unless both were sent
/// together.
///
/// To be finished with `finish` or `cancel`; a producer that is dropped gives up what it still holds.
public final class Producer: Sendable {
    public let stream: StreamDescription
    public let configuration: ProducerConfiguration
    let core: ProducerCore

    init(client: WeirClient, stream: StreamDescription, configuration: ProducerConfiguration) throws(WeirError) {
        try configuration.validate()
        self.stream = stream
        self.configuration = configuration
        self.core = ProducerCore(client: client, stream: stream, configuration: configuration)
        try client.register(self.core)
        self.core.start()
    }

    deinit { self.core.cancel() }

    /// Puts one record and waits until it is stored. Throws the `WeirError` for which it was not. A call whose task is
    /// cancelled throws `CancellationError`; its record may be stored all the same.
    public func put(key: String, explicitHashKey: HashKey? = nil, data: [UInt8]) async throws -> PutReceipt {
        let completion = Completion<PutReceipt>()
        var key = key
        try await self.core.waitForRoom(key.utf8.count + data.count + RecordChunk.recordOverheadBytes)
        try self.core.stageSingle(&key, explicitHashKey, data, completion)
        return try await completion.wait()
    }

    /// Puts records and waits for all of them. Results are in the order of the records. Throws only when nothing was
    /// taken: an argument is invalid, the producer is finished.
    public func putBatch(_ records: [ProducerRecord]) async throws -> [PutResult] {
        guard !records.isEmpty else { return [] }
        let chunks = try self.chunks(of: records)
        let batch = WholeBatch(count: records.count)
        // What was given before goes first.
        self.core.flush()
        for (position, chunk) in chunks.enumerated() {
            chunk.sink = batch
            do {
                try await self.core.waitForRoom(chunk.memoryBytes)
            } catch {
                guard position > 0 else { throw error }
                // The first ones are under way: their results are wanted, and the rest fails.
                let reason = error as? WeirError ?? WeirError(.unavailable, "the put was cancelled")
                for chunk in chunks[position...] {
                    chunk.failAll(reason)
                    _ = batch.completed(chunk)
                }
                break
            }
            var effects = ProducerCore.Effects()
            let refusal = self.core.submit(chunk, &effects)
            self.core.perform(effects)
            if let refusal, position == 0, chunks.count == 1 { throw refusal }
        }
        return try await batch.completion.wait()
    }

    private func chunks(of records: [ProducerRecord]) throws(WeirError) -> [RecordChunk] {
        var chunks: [RecordChunk] = []
        for (position, record) in records.enumerated() {
            var key = record.partitionKey
            let isAppended = try self.append(&key, record, to: chunks.last)
            if !isAppended {
                let chunk = RecordChunk()
                chunk.firstRecord = UInt64(position)
                chunks.append(chunk)
                _ = try self.append(&key, record, to: chunk)
            }
        }
        return chunks
    }

    private func append(
        _ key: inout String, _ record: ProducerRecord, to chunk: RecordChunk?
    ) throws(WeirError) -> Bool {
        guard let chunk else { return false }
        var filler = self.core.filler(for: chunk)
        defer { filler.finish() }
        return try filler.append(key: &key, explicitHashKey: record.explicitHashKey, data: record.data)
    }

    /// The way for many records: see `ProducerBatcher`. `onResults` gets the results of all records in the order in
    /// which they were given, one call at a time, on a thread of the client: it must not block.
    public func batcher(onResults: @escaping @Sendable (PutResults) -> Void = { _ in }) -> ProducerBatcher {
        ProducerBatcher(self.core, onResults)
    }

    /// Takes nothing more, waits until everything is stored or failed, and closes the connection. When the task is
    /// cancelled it stops waiting, and what is left fails.
    public func finish() async throws {
        defer { self.core.cancel() }
        try await self.core.finish()
    }

    /// Takes nothing more and gives up what is under way, at once: its results are failures.
    public func cancel() { self.core.cancel() }

    /// As `cancel`, with the error that the results shall have.
    package func cancel(_ reason: WeirError) { self.core.cancel(reason) }
}
