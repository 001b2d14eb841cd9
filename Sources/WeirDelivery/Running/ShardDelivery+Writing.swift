// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Records into files.
extension ShardDelivery {
    /// Whole records, in their order.
    func write(_ records: ArraySlice<UserRecord>) async throws {
        var rest = records
        // Where the first of the rest belongs, when that is known already.
        var known: PrefixPattern.Partition?
        while let first = rest.first {
            let number = first.sequenceNumber
            if self.state.plan.mustFinish(before: number.index) { try await self.reach(.makeAgain) }
            let partition = known ?? self.partition(first)
            let place = self.state.plan.place(number.index, partition.text)
            let run = self.run(of: rest, partition, place)
            known = run.next
            rest = rest[run.records.endIndex...]
            guard let last = run.records.last else { return }
            switch place {
            case .delivered:
                self.state.plan.pass(last.sequenceNumber)
                self.board.count { $0.passed.records += UInt64(run.records.count) }
            case .file(let slot):
                try await self.write(run.records, partition, bytes: run.bytes, to: slot)
                if run.remarkable != .init() { self.board.count { $0.remarkable.add(run.remarkable) } }
            }
            // At once: nothing may come any more.
            if last.isLast, self.state.plan.hasReadAgain { try await self.reach(.makeAgain) }
            if last.isLast { try await self.nameDue() }
        }
    }

    private func partition(_ record: UserRecord) -> PrefixPattern.Partition {
        let pattern = self.state.patterns.pattern(of: record.sequenceNumber.index)
        let millis = record.approximateArrivalMillis
        guard pattern.readsData else { return pattern.partition(millis: millis) }
        return record.withData { pattern.partition(millis: millis, data: $0) }
    }

    /// Records behind each other that go into one file.
    private struct Run {
        var records: ArraySlice<UserRecord>
        var bytes: UInt64 = 0
        var remarkable = DeliveryStatus.Remarkable()
        /// Of the record behind them, when it was looked at.
        var next: PrefixPattern.Partition?
    }

    /// Those at the beginning that go into one file, and are not too many to be compressed at once.
    private func run(
        of records: ArraySlice<UserRecord>, _ first: PrefixPattern.Partition, _ place: DeliveryMachine.Place
    ) -> Run {
        var run = Run(records: records)
        let begin = records.first?.sequenceNumber.index ?? 0
        let (end, readsData) = (self.state.patterns.end(of: begin), self.state.patterns.pattern(of: begin).readsData)
        var position = records.startIndex
        var (partition, arrival) = (first, records.first?.approximateArrivalMillis)
        while position < records.endIndex, run.bytes < UInt64(PartFile.inputBytes) {
            let record = records[position]
            let index = record.sequenceNumber.index
            if index > end || self.state.plan.mustFinish(before: index) { break }
            let millis = record.approximateArrivalMillis
            if position > records.startIndex, readsData || millis != arrival {
                partition = self.partition(record)
                arrival = millis
            }
            let isElsewhere =
                partition.text != first.text || partition.missing != first.missing
                || self.state.plan.mayMove && self.state.plan.place(index, partition.text) != place
            if isElsewhere {
                run.next = partition
                break
            }
            run.bytes += UInt64(record.bytes)
            run.remarkable.add(partition)
            position += 1
        }
        run.records = records[..<position]
        return run
    }

    private func form(_ partition: PrefixPattern.Partition) -> RecordForm {
        guard self.settings.errorForm == .json, let failure = RecordFailure(partition) else {
            return self.settings.form
        }
        return .errors(failure, now: self.settings.clock.wallMillis)
    }

    /// As of `IntendedFile`.
    private func ends(_ partition: PrefixPattern.Partition, _ index: UInt64) -> Int64 {
        guard let since = self.settings.manifestsSince else { return 0 }
        guard let period = self.state.patterns.pattern(of: index).period(of: partition), period.start >= since else {
            return .max
        }
        return period.end
    }

    private func write(
        _ run: ArraySlice<UserRecord>, _ partition: PrefixPattern.Partition, bytes: UInt64,
        to slot: DeliveryMachine.Slot
    ) async throws {
        guard let first = run.first?.sequenceNumber, let last = run.last?.sequenceNumber else { return }
        let turn = self.state.plan.take(
            slot, first: first, last: last, records: UInt64(run.count),
            bytes: bytes, now: self.settings.clock.monotonicNanos,
            ends: self.ends(partition, first.index))
        if let rests = turn.rests, let part = self.parts[rests] {
            try part.endFrame()
            try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
            part.rest()
        }
        let part = try await self.part(slot)
        self.form(partition).append(run, &part.input)
        try part.compress()
        try await self.stored { () throws(DestinationError) in try part.write() }
        self.state.plan.stored(slot, bytes: part.storedBytes)
    }

    private func part(_ slot: DeliveryMachine.Slot) async throws -> PartFile {
        if let part = self.parts[slot] { return part }
        var compression = self.settings.compression
        if case .again(let position) = slot, let path = self.state.plan.again?.files[position].path {
            compression = Compression(ofSuffix: path, usual: compression)
        }
        let name = self.state.nextUnfinished()
        let destination = self.destination
        let file = try await self.stored { () throws(DestinationError) in try destination.begin(name) }
        let part = PartFile(name, file, compression)
        self.parts[slot] = part
        return part
    }
}
