// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// The puts of one connection that arrived together, from their bytes to their answers.
///
/// The batch first does all work that needs no lock, for all puts at once: it checks forms, checksums and lengths,
/// computes the hash keys in one call, and finds the shard of each record. Then it takes the log's lock once for all of
/// them (`PutBatch+Commit`). `removeAll` ends a batch and keeps its memory for the next one; until then the caller must
/// leave the bytes of the puts where they are.
struct PutBatch: ~Copyable {
    /// One put.
    struct Request {
        let correlation: UInt64
        /// Payload length, when credit was taken for it.
        let creditBytes: Int?
        let header: PutRecords.Header
        let isRoutedByServer: Bool
        let firstRecord: Int
        let recordCount: Int
        let totals: RecordTotals
        var parts: Range<Int>
        /// The route table by which the server made its parts, or judged them.
        var route: RouteTable?
        /// The position in `failures` of the error that refuses the whole put; -1 when none does.
        var failure: Int
        /// Known only once the put is committed: from when on its answer may be told, and where its results lie.
        var mark = Mark.none
        var mapVersion: UInt64 = 0
        var entries = 0..<0
        var firstRecordEntry = 0
    }

    /// The records of one put for one shard.
    struct Part {
        let shard: ShardNumber
        /// The body as its writer framed it; empty when the server made the part.
        let body: UnsafeRawBufferPointer
        /// The records back to back.
        let records: UnsafeRawBufferPointer
        /// Grouped by the client: position of the first record. Routed by the server: position in `order`.
        let first: Int
        let count: Int
        /// Bytes of data and keys.
        let payload: Int
        /// Position of the shard in the route table; below 0 when a record's hash key is not in the shard, or the shard
        /// is not open.
        var position = -1
    }

    struct Tally {
        var records = 0
        var bytes = 0
        var throttled = 0
        /// Refused because the log is full; the largest put among them, and why.
        var full = 0
        var fullSize = FullLog.Size(parts: 0, bytes: 0)
        var fullReason = ""
    }

    let counters: Counters
    var scratch = RecordScratch()
    var requests = ContiguousArray<Request>()
    var parts = ContiguousArray<Part>()
    /// Positions of records, shard by shard.
    var order = ContiguousArray<Int32>()
    var failures: [WeirError] = []
    var entries = ContiguousArray<PutEntry>()
    var recordEntries = ContiguousArray<UInt16>()
    /// Memory for records that the server had to bring together.
    var gathered: [UnsafeMutableRawBufferPointer] = []
    let gatherPool = FramePool(keptBytesMax: 2 << 20)
    var router = Router()
    let outcome = RoutedOutcome()
    /// What was stored and refused in this batch.
    var tally = Tally()

    init(counters: Counters) { self.counters = counters }

    var isEmpty: Bool { self.requests.isEmpty }

    /// Enough to be committed: more would only keep the first ones waiting.
    var isFull: Bool { self.scratch.count >= 4096 || self.requests.count >= 1024 }

    /// Takes a put whose bytes have arrived whole.
    mutating func add(correlation: UInt64, payload: UnsafeRawBufferPointer) {
        let view: PutRecordsView
        do {
            view = try PutRecordsView(payload: payload)
        } catch {
            self.refuse(
                WeirError(.malformedRequest, "PutRecords: \(error.description)"), correlation: correlation,
                creditBytes: payload.count)
            return
        }
        let (firstPart, firstRecord, firstKey) = (self.parts.count, self.scratch.count, self.scratch.keyCount)
        do {
            let totals = try self.walk(view)
            self.requests.append(
                Request(
                    correlation: correlation, creditBytes: payload.count, header: view.header,
                    isRoutedByServer: view.isRoutedByServer, firstRecord: firstRecord, recordCount: view.recordCount,
                    totals: totals, parts: firstPart..<self.parts.count, failure: -1))
        } catch {
            self.parts.removeSubrange(firstPart...)
            self.scratch.cut(toRecords: firstRecord, keys: firstKey)
            self.refuse(error, correlation: correlation, creditBytes: payload.count)
        }
    }

    /// A put that is refused whole. It takes its turn among the others, because ordered puts behind it must know.
    mutating func refuse(_ error: WeirError, correlation: UInt64, creditBytes: Int?) {
        self.failures.append(error)
        self.requests.append(
            Request(
                correlation: correlation, creditBytes: creditBytes,
                header: PutRecords.Header(stream: StreamID(0), mapVersion: 0), isRoutedByServer: false,
                firstRecord: self.scratch.count, recordCount: 0, totals: RecordTotals(),
                parts: self.parts.count..<self.parts.count, failure: self.failures.count - 1))
    }

    private mutating func walk(_ view: PutRecordsView) throws(WeirError) -> RecordTotals {
        guard view.recordCount <= Limits.putRecordsMax else {
            throw WeirError(
                .invalidArgument,
                "a put of \(view.recordCount) records is not allowed: 1 to \(Limits.putRecordsMax)")
        }
        self.scratch.reserve(view.recordCount)
        var totals = RecordTotals()
        var before = 0
        for group in view.groups {
            let part = try self.walk(group, before: before)
            totals.payload += part.totals.payload
            if part.totals.largest > totals.largest {
                totals.largest = part.totals.largest
                totals.largestRecord = before + part.totals.largestRecord
            }
            before += part.count
        }
        guard totals.payload <= Limits.putBytesMax else {
            throw WeirError(
                .invalidArgument,
                "a put of \(totals.payload) bytes of data and keys is not allowed: at most \(Limits.putBytesMax)")
        }
        return totals
    }

    private mutating func walk(
        _ group: PutRecordsView.Group, before: Int
    ) throws(WeirError) -> (count: Int, totals: RecordTotals) {
        let header: BatchBody.Header
        do {
            header = try BatchBody.header(of: group.body)
        } catch {
            throw WeirError(.malformedRequest, "PutRecords: \(error.description)")
        }
        guard BatchBody.checksumMatches(group.body, header) else {
            let whose = group.shard.map { "for \($0)" } ?? "that the server routes"
            throw WeirError(
                .checksumMismatch,
                "the batch \(whose), with the records from \(before) on, does not match its checksum: nothing was "
                    + "stored")
        }
        let first = self.scratch.count
        let records = group.body.slice(BatchBody.headerBytes, header.recordsLength)
        let totals: RecordTotals
        do {
            totals = try self.scratch.add(records, count: header.count)
        } catch {
            throw error.error(recordsBefore: before)
        }
        // Of a put that the server routes this is not yet a part but all of it: the router makes the parts.
        self.parts.append(
            Part(
                shard: group.shard ?? ShardNumber(Wire.routedByServer), body: group.body, records: records,
                first: first, count: header.count, payload: totals.payload))
        return (header.count, totals)
    }

    /// Forgets the puts and keeps the memory.
    mutating func removeAll() {
        self.requests.removeAll(keepingCapacity: true)
        self.parts.removeAll(keepingCapacity: true)
        self.order.removeAll(keepingCapacity: true)
        self.failures.removeAll(keepingCapacity: true)
        self.entries.removeAll(keepingCapacity: true)
        self.recordEntries.removeAll(keepingCapacity: true)
        self.scratch.removeAll()
        for memory in self.gathered { self.gatherPool.giveBack(memory) }
        self.gathered.removeAll(keepingCapacity: true)
    }
}
