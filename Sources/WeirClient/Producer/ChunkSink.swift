// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Who gave the records of a chunk, and hears what became of them. Called one at a time, without locks held.
protocol ChunkSink: AnyObject, Sendable {
    /// The chunk is full and goes to the machine. Called in the order of the chunks, under the staging lock.
    func willSubmit(_ chunk: RecordChunk)
    /// One record has its result, before its chunk is complete. Only for chunks that report each record.
    func resolved(_ position: Int, _ result: PutResult)
    /// All records have their results. Returns the chunks whose results have now been passed on: this one, or none as
    /// long as an older one is missing, or also younger ones that waited for it.
    func completed(_ chunk: RecordChunk) -> [RecordChunk]
}

extension ChunkSink {
    func willSubmit(_ chunk: RecordChunk) {}
    func resolved(_ position: Int, _ result: PutResult) {}
}

/// Single puts that share a chunk.
final class SinglePuts: ChunkSink {
    private let waiting = Mutex<[Completion<PutReceipt>]>([])

    func willSubmit(_ chunk: RecordChunk) { chunk.reportsEachRecord = true }

    /// In the order of the records.
    func add(_ completion: Completion<PutReceipt>) { self.waiting.withLock { $0.append(completion) } }

    func resolved(_ position: Int, _ result: PutResult) {
        let completion = self.waiting.withLock { $0[position] }
        completion.finish(result.mapError { $0 })
    }

    func completed(_ chunk: RecordChunk) -> [RecordChunk] { [chunk] }
}

/// A batch that somebody waits for: its chunks may complete in any order.
final class WholeBatch: ChunkSink {
    private struct State {
        var results: [PutResult?]
        var missing: Int
    }

    let completion = Completion<[PutResult]>()
    private let state: Mutex<State>

    init(count: Int) {
        self.state = Mutex(State(results: [PutResult?](repeating: nil, count: count), missing: count))
    }

    func completed(_ chunk: RecordChunk) -> [RecordChunk] {
        let results = chunk.takeResults()
        let all = self.state.withLock { state -> [PutResult]? in
            for (position, result) in results.enumerated() {
                state.results[Int(chunk.firstRecord) + position] = result
            }
            state.missing -= results.count
            return state.missing == 0 ? state.results.compactMap { $0 } : nil
        }
        if let all { self.completion.finish(.success(all)) }
        return [chunk]
    }
}
