// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Records into files.
extension ShardDelivery {
    /// Whole records, in their order.
    func write(_ records: ArraySlice<UserRecord>) async throws {
        var rest = records
        while let first = rest.first {
            let number = first.sequenceNumber
            if self.machine.mustFinish(before: number.index) { try await self.makeAgainEnds() }
            let partition = self.kept.patterns.pattern(of: number.index).partition(
                millis: first.approximateArrivalMillis)
            let place = self.machine.place(number.index, partition)
            let (run, bytes) = self.run(of: rest, partition, place)
            rest = rest[run.endIndex...]
            guard let last = run.last else { return }
            switch place {
            case .delivered:
                self.machine.pass(last.sequenceNumber)
                self.board.count { $0.passedOver += UInt64(run.count) }
            case .file(let slot): try await self.write(run, bytes: bytes, to: slot)
            }
            if last.isLast { try await self.nameDue() }
        }
    }

    /// The records at the beginning that go into one file, and are not too many to be compressed at once; and their
    /// bytes.
    private func run(
        of records: ArraySlice<UserRecord>, _ partition: String, _ place: DeliveryMachine.Place
    ) -> (records: ArraySlice<UserRecord>, bytes: UInt64) {
        var bytes = 0
        var arrival: Int64?
        let end = self.kept.patterns.end(of: records.first?.sequenceNumber.index ?? 0)
        var position = records.startIndex
        while position < records.endIndex, bytes < PartFile.inputBytes {
            let record = records[position]
            let index = record.sequenceNumber.index
            if index > end || self.machine.mustFinish(before: index) { break }
            let millis = record.approximateArrivalMillis
            if millis != arrival {
                guard self.kept.patterns.pattern(of: index).partition(millis: millis) == partition else { break }
                arrival = millis
            }
            if self.machine.mayMove, self.machine.place(index, partition) != place { break }
            bytes += record.bytes
            position += 1
        }
        return (records[..<position], UInt64(bytes))
    }

    private func write(_ run: ArraySlice<UserRecord>, bytes: UInt64, to slot: DeliveryMachine.Slot) async throws {
        guard let first = run.first?.sequenceNumber, let last = run.last?.sequenceNumber else { return }
        let turn = self.machine.take(
            slot, first: first, last: last, records: UInt64(run.count),
            bytes: bytes, now: self.settings.clock.monotonicNanos)
        if let rests = turn.rests, let part = self.parts[rests] {
            try part.endFrame()
            try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
            part.rest()
        }
        let part = try await self.part(slot)
        self.settings.form.append(run, &part.input)
        try part.compress()
        try await self.stored { () throws(DestinationError) in try part.write() }
        self.machine.stored(slot, bytes: part.storedBytes)
    }

    private func part(_ slot: DeliveryMachine.Slot) async throws -> PartFile {
        if let part = self.parts[slot] { return part }
        var compression = self.settings.compression
        if case .again(let position) = slot, let path = self.machine.again?.files[position].path {
            compression = Compression(ofSuffix: path, usual: compression)
        }
        let name = self.nextUnfinished()
        let destination = self.destination
        let file = try await self.stored { () throws(DestinationError) in try destination.begin(name) }
        let part = PartFile(name, file, compression)
        self.parts[slot] = part
        return part
    }
}
