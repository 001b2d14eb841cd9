// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirModel
import WeirStorage

/// The puts of one connection that arrived together, from their bytes to their answers.
///
/// The batch first does all work that needs no lock, for all puts at once: it checks forms, checksums and lengths,
/// computes the hash keys in one call, and finds the shard of each record. Then it takes the log's lock once for all of
/// them (`PutBatch+Commit`). `removeAll` ends a batch and keeps its memory for the next one; until then the caller must
/// leave the bytes of the puts where they are.
package struct PutBatch: ~Copyable {
    /// One put.
    package struct Request {
        package let correlation: UInt64
        /// Payload length, when credit was taken for it.
        package let creditBytes: Int?
        package let header: PutHeader
        package let isRoutedByServer: Bool
        let firstRecord: Int
        package let recordCount: Int
        let totals: RecordTotals
        var parts: Range<Int>
        /// The route table by which the server made its parts, or judged them.
        var route: RouteTable?
        /// The position in `failures` of the error that refuses the whole put; -1 when none does.
        package internal(set) var failure: Int
        /// Known only once the put is committed: from when on its answer may be told, and where its results lie.
        package internal(set) var mark = Mark.none
        package internal(set) var mapVersion: UInt64 = 0
        package internal(set) var entries = 0..<0
        package internal(set) var firstRecordEntry = 0
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
    package internal(set) var requests = ContiguousArray<Request>()
    var parts = ContiguousArray<Part>()
    /// Positions of records, shard by shard.
    var order = ContiguousArray<Int32>()
    package internal(set) var failures: [WeirError] = []
    package internal(set) var entries = ContiguousArray<PutEntry>()
    package internal(set) var recordEntries = ContiguousArray<UInt16>()
    /// Memory for records that the server had to bring together.
    var gathered: [UnsafeMutableRawBufferPointer] = []
    let gatherPool = MemoryPool(keptBytesMax: 2 << 20)
    var router = Router()
    let outcome = RoutedOutcome()
    /// What was stored and refused in this batch.
    var tally = Tally()
    var incoming: Incoming?

    init(counters: Counters) { self.counters = counters }

    package var isEmpty: Bool { self.requests.isEmpty }

    /// Enough to be committed: more would only keep the first ones waiting.
    package var isFull: Bool { self.scratch.count >= 4096 || self.requests.count >= 1024 }

    /// A put that its groups make up, one by one. Plain bytes: it is read and written for each put.
    struct Incoming {
        let correlation: UInt64
        let creditBytes: Int?
        let header: PutHeader
        let isRoutedByServer: Bool
        let recordCount: Int
        let firstPart: Int
        let firstRecord: Int
        let firstKey: Int
        var totals = RecordTotals()
        /// Records of the groups so far.
        var before = 0
        /// The position in `failures` of what refuses it whole; -1 when nothing does.
        var failure = -1
    }

    /// A put begins: `recordCount` records that its groups claim to hold. `add` gives them, `endPut` ends it.
    /// `isRoutedByServer`: it has one group, of records for any shard. `creditBytes`: what its answer gives back to the
    /// caller; the batch only keeps it.
    package mutating func beginPut(
        _ header: PutHeader, correlation: UInt64, creditBytes: Int?, recordCount: Int, isRoutedByServer: Bool
    ) {
        precondition(self.incoming == nil, "a put begins in another one")
        var incoming = Incoming(
            correlation: correlation, creditBytes: creditBytes, header: header, isRoutedByServer: isRoutedByServer,
            recordCount: recordCount, firstPart: self.parts.count, firstRecord: self.scratch.count,
            firstKey: self.scratch.keyCount)
        if recordCount > Limits.putRecordsMax {
            incoming.failure = self.failures.count
            self.failures.append(
                WeirError(
                    .invalidArgument, "a put of \(recordCount) records is not allowed: 1 to \(Limits.putRecordsMax)"))
        } else {
            self.scratch.reserve(recordCount)
        }
        self.incoming = incoming
    }

    /// The next group of the put: a batch body for `shard`; `nil`: for whichever shards take its records.
    package mutating func add(_ body: UnsafeRawBufferPointer, for shard: ShardNumber?) {
        guard var incoming = self.incoming, incoming.failure < 0 else { return }
        do {
            let part = try self.walk(body, for: shard, before: incoming.before)
            incoming.totals.payload += part.totals.payload
            if part.totals.largest > incoming.totals.largest {
                incoming.totals.largest = part.totals.largest
                incoming.totals.largestRecord = incoming.before + part.totals.largestRecord
            }
            incoming.before += part.count
        } catch {
            incoming.failure = self.failures.count
            self.failures.append(error)
        }
        self.incoming = incoming
    }

    /// All groups of the put are there.
    package mutating func endPut() {
        guard var incoming = self.incoming else { return }
        self.incoming = nil
        let payload = incoming.totals.payload
        if incoming.failure < 0, payload > Limits.putBytesMax {
            incoming.failure = self.failures.count
            self.failures.append(
                WeirError(
                    .invalidArgument,
                    "a put of \(payload) bytes of data and keys is not allowed: at most \(Limits.putBytesMax)"))
        }
        if incoming.failure >= 0 {
            self.parts.removeSubrange(incoming.firstPart...)
            self.scratch.cut(toRecords: incoming.firstRecord, keys: incoming.firstKey)
            return self.refused(
                by: incoming.failure, correlation: incoming.correlation, creditBytes: incoming.creditBytes)
        }
        self.requests.append(
            Request(
                correlation: incoming.correlation, creditBytes: incoming.creditBytes, header: incoming.header,
                isRoutedByServer: incoming.isRoutedByServer, firstRecord: incoming.firstRecord,
                recordCount: incoming.recordCount, totals: incoming.totals,
                parts: incoming.firstPart..<self.parts.count, failure: -1))
    }

    /// A put that is refused whole. It takes its turn among the others, because ordered puts behind it must know.
    package mutating func refuse(_ error: WeirError, correlation: UInt64, creditBytes: Int?) {
        self.failures.append(error)
        self.refused(by: self.failures.count - 1, correlation: correlation, creditBytes: creditBytes)
    }

    private mutating func refused(by failure: Int, correlation: UInt64, creditBytes: Int?) {
        self.requests.append(
            Request(
                correlation: correlation, creditBytes: creditBytes,
                header: PutHeader(stream: StreamID(0), mapVersion: 0), isRoutedByServer: false,
                firstRecord: self.scratch.count, recordCount: 0, totals: RecordTotals(),
                parts: self.parts.count..<self.parts.count, failure: failure))
    }

    private mutating func walk(
        _ body: UnsafeRawBufferPointer, for shard: ShardNumber?, before: Int
    ) throws(WeirError) -> (count: Int, totals: RecordTotals) {
        let header: BatchBody.Header
        do {
            header = try BatchBody.header(of: body)
        } catch {
            throw WeirError(.malformedRequest, "PutRecords: \(error.description)")
        }
        guard BatchBody.checksumMatches(body, header) else {
            let whose = shard.map { "for \($0)" } ?? "that the server routes"
            throw WeirError(
                .checksumMismatch,
                "the batch \(whose), with the records from \(before) on, does not match its checksum: nothing was "
                    + "stored")
        }
        let first = self.scratch.count
        let records = body.slice(BatchBody.headerBytes, header.recordsLength)
        let totals: RecordTotals
        do {
            totals = try self.scratch.add(records, count: header.count)
        } catch {
            throw error.error(recordsBefore: before)
        }
        // Of a put that the server routes this is not yet a part but all of it: the router makes the parts.
        self.parts.append(
            Part(
                shard: shard ?? Self.anyShard, body: body, records: records, first: first, count: header.count,
                payload: totals.payload))
        return (header.count, totals)
    }

    /// Stands for the shard of a part until its records are routed.
    private static let anyShard = ShardNumber(UInt32.max)

    /// Forgets the puts and keeps the memory.
    package mutating func removeAll() {
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
