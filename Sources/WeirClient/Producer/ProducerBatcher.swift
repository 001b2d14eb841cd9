// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Takes many records at little cost each: they are written straight into the memory that requests are made from.
///
/// Results come in the order of the records. When the producer's buffer is full the caller waits.
public final class ProducerBatcher: Sendable {
    private struct State {
        var recordsSubmitted: UInt64 = 0
        var recordsReported: UInt64 = 0
        var batchesSubmitted: UInt64 = 0
        var nextToReport: UInt64 = 0
        /// Complete, but an older one is not.
        var waiting: [UInt64: RecordChunk] = [:]
        var draining: [(until: UInt64, completion: Completion<Void>)] = []
    }

    private let core: ProducerCore
    private let onResults: @Sendable (PutResults) -> Void
    private let state = Mutex(State())

    init(_ core: ProducerCore, _ onResults: @escaping @Sendable (PutResults) -> Void) {
        self.core = core
        self.onResults = onResults
    }

    /// Appends one record; waits while the buffer is full. Throws `invalidArgument` or `recordTooLarge` for a record
    /// that may not be, which is then not taken, and the producer's error once it takes nothing any more.
    public func append(key: String, explicitHashKey: HashKey? = nil, data: [UInt8]) async throws {
        var key = key
        try await self.core.waitForRoom(key.utf8.count + data.count + RecordChunk.recordOverheadBytes)
        var isTaken = false
        // The second time the batch is an empty one, which takes any record that may be.
        while !isTaken {
            try self.core.stage(for: self) { filler throws(WeirError) in
                isTaken = try filler.append(key: &key, explicitHashKey: explicitHashKey, data: data)
            }
        }
    }

    /// Appends many records under one lock: waits until there is room, then calls `body` once. It appends until it has
    /// no more or until `append` says that there is no room, and then calls `fill` again. It must not block. What it
    /// throws is thrown on; the records before are taken.
    public func fill<E: Error>(_ body: (inout BatchFiller) throws(E) -> Void) async throws {
        try await self.core.waitForRoom(self.core.configuration.batchBytes)
        try self.core.stage(for: self, body)
    }

    /// Sends what was appended without waiting for more.
    public func flush() { self.core.flush() }

    /// `flush`, and waits until the results of all records that were appended before have been delivered.
    public func drain() async throws {
        self.flush()
        let completion = Completion<Void>()
        try await completion.wait {
            let isDone = self.state.withLock { state in
                if state.recordsReported == state.recordsSubmitted { return true }
                state.draining.append((state.recordsSubmitted, completion))
                return false
            }
            if isDone { completion.finish(.success(())) }
        }
    }
}

extension ProducerBatcher: ChunkSink {
    func willSubmit(_ chunk: RecordChunk) {
        self.state.withLock { state in
            chunk.firstRecord = state.recordsSubmitted
            chunk.batchNumber = state.batchesSubmitted
            state.recordsSubmitted += UInt64(chunk.count)
            state.batchesSubmitted += 1
        }
    }

    func completed(_ chunk: RecordChunk) -> [RecordChunk] {
        let ready = self.state.withLock { state -> [RecordChunk] in
            guard chunk.batchNumber == state.nextToReport else {
                state.waiting[chunk.batchNumber] = chunk
                return []
            }
            var ready = [chunk]
            state.nextToReport += 1
            while let next = state.waiting.removeValue(forKey: state.nextToReport) {
                ready.append(next)
                state.nextToReport += 1
            }
            return ready
        }
        for chunk in ready { self.onResults(chunk.takeResults()) }
        let drained = self.state.withLock { state -> [Completion<Void>] in
            for chunk in ready { state.recordsReported += UInt64(chunk.count) }
            let reported = state.recordsReported
            let drained = state.draining.filter { $0.until <= reported }
            if !drained.isEmpty { state.draining.removeAll { $0.until <= reported } }
            return drained.map(\.completion)
        }
        for completion in drained { completion.finish(.success(())) }
        return ready
    }
}
