// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirIO
import WeirModel

/// What all shards of a backfill have in common.
package struct BackfillSettings: Sendable {
    package var stream: StreamName
    package var streamTag: String
    package var pattern: PrefixPattern
    package var compression: Compression
    /// A file ends with so many bytes of keys and data.
    package var fileBytes: UInt64
    package var form: RecordForm
    package var errorForm = ErrorForm.json
    /// Records that arrived before it, in milliseconds since 1970.
    package var untilMillis: Int64
    package var clock: any Clock

    package init(
        stream: StreamName, streamTag: String, pattern: PrefixPattern, compression: Compression, fileBytes: UInt64,
        form: RecordForm, untilMillis: Int64, clock: any Clock = SystemClock()
    ) {
        self.stream = stream
        self.streamTag = streamTag
        self.pattern = pattern
        self.compression = compression
        self.fileBytes = fileBytes
        self.form = form
        self.untilMillis = untilMillis
        self.clock = clock
    }
}

/// Writes the records of one shard that arrived in a range into files, and passes over those that have one. Files get
/// their names when they are cut; what a run that was ended leaves is written again by the next one, under the same
/// names.
package actor BackfillShard {
    nonisolated private let thread: FileThread
    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    private struct Open {
        /// What stands before the names of its files.
        let prefix: String
        let coverage: Coverage
        /// `nil`: there is a file with its first record already.
        var part: PartFile?
    }

    private let shard: ShardNumber
    private let settings: BackfillSettings
    private let destination: any Destination
    private let board: DeliveryBoard
    private var plan: BackfillPlan
    private var open: [String: Open] = [:]
    /// Partitions of user records of a record that has not come whole.
    private var touched: Set<String> = []
    private var made: UInt64 = 0

    package init(
        _ shard: ShardNumber, _ settings: BackfillSettings, _ destination: any Destination, _ board: DeliveryBoard
    ) {
        self.shard = shard
        self.settings = settings
        self.destination = destination
        self.board = board
        self.thread = FileThread("weir-backfill-\(shard.rawValue)")
        self.plan = BackfillPlan(fileBytes: settings.fileBytes)
    }

    /// Records behind each other. False when the range is over. Throws `WeirError`, and `DeliveryProtocol.End.stopped`
    /// when it was asked to end.
    package func take(_ records: [UserRecord]) async throws -> Bool {
        let until = self.settings.untilMillis
        let end = records.firstIndex { $0.approximateArrivalMillis >= until } ?? records.endIndex
        var rest = records[..<end]
        var known: PrefixPattern.Partition?
        while let first = rest.first {
            if self.board.isStopping { throw DeliveryProtocol.End.stopped }
            let partition = known ?? self.partition(first)
            let (run, bytes, remarkable, next) = self.run(of: rest, partition)
            known = next
            rest = rest[run.endIndex...]
            try await self.write(run, bytes, partition)
            self.board.count { $0.remarkable.add(remarkable) }
        }
        self.show()
        return end == records.endIndex
    }

    /// What is still open gets its name.
    package func finish() async throws {
        for file in self.plan.rest() { try await self.end(file) }
        self.show()
    }

    /// What is still open is removed.
    package func giveUp() {
        for open in self.open.values {
            guard let part = open.part else { continue }
            part.rest()
            // What cannot be removed now is removed by the next run.
            try? self.destination.discard(part.unfinished)
        }
        self.open = [:]
        self.board.shows(self.shard, openFiles: 0, bufferedBytes: 0)
        self.board.waits(self.shard, nil)
    }

    // MARK: Records

    private func partition(_ record: UserRecord) -> PrefixPattern.Partition {
        let millis = record.approximateArrivalMillis
        guard self.settings.pattern.readsData else { return self.settings.pattern.partition(millis: millis) }
        return record.withData { self.settings.pattern.partition(millis: millis, data: $0) }
    }

    /// Records at the beginning that go into one file, as far as that has room; not too many to be compressed at once.
    private func run(
        of records: ArraySlice<UserRecord>, _ first: PrefixPattern.Partition
    ) -> (ArraySlice<UserRecord>, bytes: UInt64, DeliveryStatus.Remarkable, next: PrefixPattern.Partition?) {
        let (room, readsData) = (self.plan.room(first.text), self.settings.pattern.readsData)
        var (partition, arrival) = (first, records.first?.approximateArrivalMillis)
        var (position, bytes, remarkable) = (records.startIndex, UInt64(0), DeliveryStatus.Remarkable())
        while position < records.endIndex, bytes < UInt64(PartFile.inputBytes) {
            let record = records[position]
            let millis = record.approximateArrivalMillis
            if position > records.startIndex, readsData || millis != arrival {
                partition = self.partition(record)
                arrival = millis
            }
            if partition.text != first.text || partition.missing != first.missing {
                return (records[..<position], bytes, remarkable, partition)
            }
            bytes += UInt64(record.bytes)
            remarkable.add(partition)
            position += 1
            // Behind the first record of a file another one may have to end; behind a part of one nothing ends.
            if record.isLast, bytes >= room || self.open[first.text] == nil { break }
        }
        return (records[..<position], bytes, remarkable, nil)
    }

    private func form(_ partition: PrefixPattern.Partition) -> RecordForm {
        guard self.settings.errorForm == .json, let failure = RecordFailure(partition) else {
            return self.settings.form
        }
        return .errors(failure, now: self.settings.clock.wallMillis)
    }

    private func write(
        _ run: ArraySlice<UserRecord>, _ bytes: UInt64, _ place: PrefixPattern.Partition
    ) async throws {
        let partition = place.text
        guard let first = run.first?.sequenceNumber, let last = run.last else { return }
        let turn = self.plan.take(
            partition, first: first, last: last.sequenceNumber, records: UInt64(run.count), bytes: bytes)
        if let rests = turn.rests, let part = self.open[rests]?.part {
            try part.endFrame()
            try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
            part.rest()
        }
        if turn.isNew { self.open[partition] = try await self.begin(partition, first) }
        if let part = self.open[partition]?.part {
            self.form(place).append(run, &part.input)
            if part.input.count >= PartFile.inputBytes { try part.compress() }
            try await self.stored { () throws(DestinationError) in try part.write() }
        }
        self.touched.insert(partition)
        guard last.isLast else { return }
        for file in self.plan.cut(self.touched) { try await self.end(file) }
        self.touched = []
    }

    // MARK: Files

    private func begin(_ partition: String, _ first: SequenceNumber) async throws -> Open {
        let destination = self.destination
        let prefix = PrefixPattern.filled(partition, draw: 0)
        let beginning = prefix + "\(self.settings.stream)-\(self.shard)-"
        let names = try await self.stored { () throws(DestinationError) in try destination.names(behind: beginning) }
        let coverage = Coverage(
            names.map { "\(self.settings.stream)-\(self.shard)-" + $0 }, of: self.settings.stream, self.shard)
        guard coverage.answer(first: first, last: first) == .free else {
            return Open(prefix: prefix, coverage: coverage, part: nil)
        }
        self.made += 1
        let name = FileName.unfinishedOfBackfill(self.settings.streamTag, self.shard, number: self.made)
        let file = try await self.stored { () throws(DestinationError) in try destination.begin(name) }
        return Open(
            prefix: prefix, coverage: coverage, part: PartFile(name, file, self.settings.compression))
    }

    /// The file is cut: it gets its name, unless its records have a file.
    private func end(_ file: BackfillPlan.File) async throws {
        guard let open = self.open.removeValue(forKey: file.partition) else { return }
        switch (open.coverage.answer(first: file.first, last: file.last), open.part) {
        case (.there, let part):
            if let part { try await self.discard(part) }
            self.isThere(file)
        case (.partly(let name), let part):
            if let part { try await self.discard(part) }
            throw WeirError(
                .resourceInUse,
                "\(open.prefix)\(name) has some of the records from \(file.first) to \(file.last) and not all: files "
                    + "there were cut at other places, so that records would be there twice. Write into another folder",
                verdict: .init(maybeStored: false, retry: .never))
        case (.free, let part?): try await self.publish(file, part, open.prefix)
        case (.free, nil): throw WeirError(.internalFailure, "a file of \(self.shard) is not there")
        }
    }

    private func publish(_ file: BackfillPlan.File, _ part: PartFile, _ prefix: String) async throws {
        let destination = self.destination
        try part.endFrame()
        try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
        let stored = try await self.stored { () throws(DestinationError) in try part.sync() }
        part.rest()
        let path =
            prefix
            + FileName.of(self.settings.stream, first: file.first, last: file.last, self.settings.compression)
        let published = try await self.stored { () throws(DestinationError) in
            try destination.publish(part.unfinished, as: path)
        }
        switch published {
        case .wasThere: return self.isThere(file)
        case .missing:
            throw WeirError(
                .unavailable, "\(part.unfinished) is not there any more: somebody has removed it. Run it again")
        case .done: try await self.stored { () throws(DestinationError) in try destination.settle([path]) }
        }
        self.board.count { status in
            status.files += 1
            status.records += file.records
            status.bytes += stored.bytes
            status.inputBytes += file.bytes
            status.lastFile = path
            if file.bytes >= self.settings.fileBytes / 5 * 4 { status.bytesInLargeFiles += stored.bytes }
        }
    }

    private func isThere(_ file: BackfillPlan.File) {
        self.board.count { status in
            status.passed.files += 1
            status.passed.records += file.records
        }
    }

    private func discard(_ part: PartFile) async throws {
        part.rest()
        let destination = self.destination
        try await self.stored { () throws(DestinationError) in try destination.discard(part.unfinished) }
    }

    private func show() {
        let files = self.plan.files
        self.board.shows(self.shard, openFiles: files.count, bufferedBytes: files.reduce(0) { $0 + $1.bytes })
    }

    /// Until it works. What was lost is written again by the next run.
    private func stored<R>(_ body: () throws(DestinationError) -> R) async throws -> R {
        var attempts = Attempts()
        while true {
            do throws(DestinationError) {
                let result = try body()
                if attempts.hasWaited { self.board.waits(self.shard, nil) }
                return result
            } catch {
                let wanted: Attempts.Wanted = Task.isCancelled ? .not : self.board.isStopping ? .ending : .still
                switch attempts.failed(.destination(error), wanted: wanted) {
                case .again(let nanos, let reason):
                    self.board.waits(self.shard, reason)
                    let clock = self.settings.clock
                    try? await clock.sleep(until: clock.monotonicNanos + nanos)
                case .ends(.beginsAnew(let reason), _): throw WeirError(.unavailable, "\(reason). Run it again")
                case .ends(let end, let leaves):
                    if let leaves { self.board.count { $0.unfinished[self.shard] = leaves } }
                    throw end
                }
            }
        }
    }
}
