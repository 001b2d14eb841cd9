// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization
import WeirConsumer
import WeirModel

/// Where the processors of all shards print, one after the other. Waits for a slow reader on a thread of its own: the
/// worker's heartbeats go on meanwhile.
final class PrintQueue: Sendable {
    private struct State: ~Copyable {
        let output: StandardOutput
        var printer: RecordPrinter
        var failure: (any Error)?
    }

    private let queue = DispatchQueue(label: "weir.consume.print")
    private let state: Mutex<State>
    private let format: RecordFormat
    /// Called once, when nothing can be printed any more.
    private let onFailure: @Sendable () -> Void

    init(_ format: RecordFormat, descriptor: Int32? = nil, onFailure: @escaping @Sendable () -> Void) {
        self.format = format
        self.onFailure = onFailure
        let output = descriptor.map { StandardOutput(descriptor: $0) } ?? StandardOutput()
        self.state = Mutex(State(output: output, printer: RecordPrinter(format)))
    }

    /// Why printing has ended: `OutputClosed`, or a `Failure`.
    var failure: (any Error)? { self.state.withLock { $0.failure } }

    /// Returns when the records were handed to the system.
    func print(_ records: UserRecords) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            self.queue.async {
                let (error, isNew) = self.state.withLock { state -> ((any Error)?, Bool) in
                    if let failure = state.failure { return (failure, false) }
                    do {
                        try self.write(records, &state)
                        return (nil, false)
                    } catch {
                        state.failure = error
                        return (error, true)
                    }
                }
                if isNew { self.onFailure() }
                if let error { continuation.resume(throwing: error) } else { continuation.resume() }
            }
        }
    }

    private func write(_ records: UserRecords, _ state: inout State) throws {
        for record in records {
            var key = record.partitionKey
            key.withUTF8 { key in
                record.data.withUnsafeBytes { data in
                    let key = UnsafeRawBufferPointer(key)
                    guard self.format == .json else {
                        return state.printer.write(
                            record.sequenceNumber, arrivalMillis: record.approximateArrivalMillis, key: key,
                            data: data, to: state.output.bytes)
                    }
                    state.printer.writeObject(
                        record.sequenceNumber, subSequence: record.subSequence,
                        arrivalMillis: record.approximateArrivalMillis, key: key, data: data, to: state.output.bytes)
                    state.output.bytes.append(byte: UInt8(ascii: "\n"))
                }
            }
            try state.output.flushIfFull()
        }
        try state.output.flush()
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
