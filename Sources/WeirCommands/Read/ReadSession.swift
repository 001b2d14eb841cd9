// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Prints batches until it is enough.
struct ReadSession: ~Copyable {
    /// Where `get --to` stops, beside the end of what there is.
    enum Bound: Hashable, Sendable {
        case none
        /// Records that arrived before; milliseconds since 1970.
        case before(Int64)
        /// This record is the last one.
        case through(SequenceNumber)
    }

    private struct Enough: Error {}

    /// How long reading goes on trying to reach a server that went away, for people.
    static var patience: String {
        let nanos = ReaderConfiguration().timeout?.nanos
        return nanos.map { "for at most \(DurationText.describe(Int64(clamping: $0 / 1_000_000)))" }
            ?? "until it is ended"
    }

    private let output: StandardOutput
    private let bound: Bound
    private let progress: Progress
    private var printer: RecordPrinter
    /// Records that may still be printed.
    private var left: Int
    /// Shards in which something before the bound can still come; `nil` when that is not known.
    private var unfinished: Set<ShardNumber>?

    /// `shards`: all that can hold something before the bound, where it is a time.
    init(
        _ format: RecordFormat, to output: StandardOutput, bound: Bound, limit: Int?, shards: Set<ShardNumber>?,
        progress: Progress
    ) {
        self.printer = RecordPrinter(format)
        self.output = output
        self.bound = bound
        self.left = limit ?? .max
        self.unfinished = shards
        self.progress = progress
    }

    /// Prints a batch and flushes. False when it was the last one that was asked for.
    mutating func print(_ batch: RecordBatch) throws -> Bool {
        if batch.missedRecords > 0 {
            Messages.write(
                "missed \(CountText.describe(Int(clamping: batch.missedRecords), "record")) of \(batch.shard), "
                    + "\(Self.place(of: batch)): expired, trimmed, or damaged on the server's disk")
        }
        var count = 0
        var bytes = 0
        var isPastBound = false
        do throws(Enough) {
            try batch.forEach { record throws(Enough) in
                if self.isPast(record) {
                    isPastBound = true
                    throw Enough()
                }
                guard self.left > 0 else { throw Enough() }
                self.printer.write(
                    record.sequenceNumber, arrivalMillis: record.approximateArrivalMillis, key: record.partitionKey,
                    data: record.data, to: self.output.bytes)
                self.left -= 1
                count += 1
                bytes += record.partitionKey.count + record.data.count
            }
        } catch {}
        self.progress.add(records: count, bytes: bytes)
        try self.output.flush()
        if isPastBound || batch.endOfShard != nil { self.unfinished?.remove(batch.shard) }
        return self.left > 0 && self.unfinished?.isEmpty != true
    }

    private static func place(of batch: RecordBatch) -> String {
        let missed = batch.missedIndexes
        return missed.count == 1
            ? "index \(missed.lowerBound)" : "indexes \(missed.lowerBound) to \(missed.upperBound - 1)"
    }

    /// In a shard nothing behind the first record past the bound belongs to the answer, as with AT_TIMESTAMP.
    private func isPast(_ record: RecordSlice) -> Bool {
        switch self.bound {
        case .none: false
        case .before(let millis):
            record.approximateArrivalMillis >= millis || self.unfinished?.contains(record.shard) == false
        case .through(let number): record.index > number.index
        }
    }
}
