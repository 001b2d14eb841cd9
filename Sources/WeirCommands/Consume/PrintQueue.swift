// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import WeirConsumer
import WeirJSON
import WeirModel

/// Where the processors of all shards print, one after the other. Waits for a slow reader on a thread of its own: the
/// worker's heartbeats go on meanwhile. Nobody waits for that thread longer than he likes: who is cancelled, and all
/// when the queue gives up, go on at once, and what was not written then counts as not printed.
final class PrintQueue: Sendable {
    /// How long after it was asked to end it waits for a reader.
    static let patience: Duration = .seconds(5)

    /// Who prints now, or waits to. At most one call of each shard.
    private struct State {
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var calls: UInt64 = 0
        var failure: (any Error)?
        var hasGivenUp = false
        var hasLeftOut = false
    }

    private struct Printing: ~Copyable {
        let output: StandardOutput
        var printer: RecordPrinter
    }

    private let queue = DispatchQueue(label: "weir.consume.print")
    private let state = Mutex(State())
    /// Of the queue's thread alone, which holds it while it waits for the reader.
    private let printing: Mutex<Printing>
    private let format: RecordFormat
    /// Called once, when nothing can be printed any more.
    private let onFailure: @Sendable () -> Void

    init(_ format: RecordFormat, descriptor: Int32? = nil, onFailure: @escaping @Sendable () -> Void) {
        self.format = format
        self.onFailure = onFailure
        let output = descriptor.map { StandardOutput(descriptor: $0) } ?? StandardOutput()
        self.printing = Mutex(Printing(output: output, printer: RecordPrinter(format)))
    }

    /// Why printing has ended: `OutputClosed`, or a `Failure`.
    var failure: (any Error)? { self.state.withLock { $0.failure } }

    /// Whether something was not printed because the queue has given up.
    var hasLeftOut: Bool { self.state.withLock { $0.hasLeftOut } }

    /// Returns when the records were handed to the system. Throws `ProcessorStops` when the queue has given up.
    func print(_ records: UserRecords) async throws {
        let call = self.state.withLock { state in
            state.calls += 1
            return state.calls
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let refusal = self.state.withLock { state -> (any Error)? in
                    if Task.isCancelled { return CancellationError() }
                    if let failure = state.failure { return failure }
                    if state.hasGivenUp {
                        state.hasLeftOut = true
                        return ProcessorStops()
                    }
                    state.waiting[call] = continuation
                    return nil
                }
                if let refusal { return continuation.resume(throwing: refusal) }
                self.queue.async { self.run(call, records) }
            }
        } onCancel: {
            self.end(call, CancellationError())
        }
    }

    /// From then on nobody waits for the reader any more.
    func giveUp(after patience: Duration) {
        let nanos = Int(clamping: patience.nanos)
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(nanos)) { self.giveUp() }
    }

    func giveUp() {
        let waiting = self.state.withLock { state in
            state.hasGivenUp = true
            if !state.waiting.isEmpty { state.hasLeftOut = true }
            defer { state.waiting = [:] }
            return state.waiting.values.map { $0 }
        }
        for continuation in waiting { continuation.resume(throwing: ProcessorStops()) }
    }

    private func end(_ call: UInt64, _ error: (any Error)?) {
        guard let continuation = self.state.withLock({ $0.waiting.removeValue(forKey: call) }) else { return }
        if let error { continuation.resume(throwing: error) } else { continuation.resume() }
    }

    private func run(_ call: UInt64, _ records: UserRecords) {
        let (isWanted, failure) = self.state.withLock { ($0.waiting[call] != nil, $0.failure) }
        // What nobody waits for is printed by who gets it next.
        guard isWanted else { return }
        if let failure { return self.end(call, failure) }
        do {
            try self.printing.withLock { try self.write(records, &$0) }
            self.end(call, nil)
        } catch {
            self.state.withLock { $0.failure = error }
            self.onFailure()
            self.end(call, error)
        }
    }

    private func write(_ records: UserRecords, _ printing: inout Printing) throws {
        for record in records {
            var key = record.partitionKey
            key.withUTF8 { key in
                record.data.withUnsafeBytes { data in
                    let key = UnsafeRawBufferPointer(key)
                    guard self.format == .json else {
                        return printing.printer.write(
                            record.sequenceNumber, arrivalMillis: record.approximateArrivalMillis, key: key,
                            data: data, to: printing.output.bytes)
                    }
                    printing.printer.writeObject(
                        record.sequenceNumber, subSequence: record.subSequence,
                        arrivalMillis: record.approximateArrivalMillis, key: key, data: data, to: printing.output.bytes)
                    printing.output.bytes.append(byte: UInt8(ascii: "\n"))
                }
            }
            try printing.output.flushIfFull()
        }
        try printing.output.flush()
    }
}

/// Prints the records of a shard; what is printed is processed.
struct PrintingProcessor: RecordProcessor {
    let queue: PrintQueue

    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        do {
            try await self.queue.print(records)
        } catch is OutputClosed {
            throw ProcessorStops()
        }
    }
}
