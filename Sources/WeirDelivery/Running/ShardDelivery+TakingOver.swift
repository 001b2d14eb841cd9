// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What the last holder of the lease has left.
extension ShardDelivery {
    func takeOver(from checkpoint: LeaseCheckpoint) async throws {
        self.kept.life = self.settings.dice()
        var number: SequenceNumber?
        if case .sequenceNumber(let at, nil) = checkpoint { number = at }
        var state = try await self.claimState()
        if let intent = state.intent,
            number.map({ $0.index >= intent.cut.index }) ?? false || !self.settings.heedsIntents
        {
            state.intent = nil
        }
        let again = try await self.finishIntent(&state)
        try await self.removeLeftovers()
        let beyond = (state.delivered.map(\.through) + [again?.cut.index].compactMap { $0 }).max()
        if let number {
            state.delivered.removeAll { $0.through <= number.index }
            state.patterns.forget(through: number.index)
        }
        // A checkpoint at no record lies before the record of index 0.
        let isBeyond = beyond.map { through in number.map { through > $0.index } ?? true } ?? false
        try state.patterns.change(to: self.settings.pattern, behind: isBeyond ? beyond : nil)
        self.kept.patterns = state.patterns
        self.machine = DeliveryMachine(
            self.settings.files, from: number, delivered: state.delivered, again: again)
        if state.encode() != self.kept.stored { try await self.save(state) }
    }

    /// From here on nothing that an earlier holder, or an earlier life of this one, has sent can take the state's
    /// place.
    private func claimState() async throws -> DeliveryState {
        while true {
            self.kept.stored = try await self.told { try await $0.state() }
            var state =
                try DeliveryState.decode(self.kept.stored)
                ?? DeliveryState(life: 0, patterns: PatternEras(self.settings.pattern))
            state.life = self.kept.life
            do {
                try await self.save(state)
                return state
            } catch let error as WeirError where error.code == .invalidArgument {
                // It came in between.
                continue
            }
        }
    }

    /// Returns what is to be made again of the intent, which is all that is left of it in `state`.
    private func finishIntent(_ state: inout DeliveryState) async throws -> Intent? {
        guard let intent = state.intent else { return nil }
        var missing: [IntendedFile] = []
        for file in intent.files where try await !self.finish(file) { missing.append(file) }
        let done = intent.files.filter { !missing.contains($0) }
        let destination = self.destination
        try await self.stored { () throws(DestinationError) in try destination.settle(done.map(\.path)) }
        var delivered = Dictionary(
            state.delivered.map { ($0.partition, $0.through) }, uniquingKeysWith: { max($0, $1) })
        for file in done { delivered[file.partition] = max(delivered[file.partition] ?? 0, intent.cut.index) }
        state.delivered = delivered.map { .init(partition: $0.key, through: $0.value) }
            .sorted { $0.partition < $1.partition }
        state.intent = missing.isEmpty ? nil : Intent(cut: intent.cut, files: missing)
        self.board.count { status in
            status.filesRecovered += UInt64(done.count)
            status.filesMadeAgain += UInt64(missing.count)
        }
        return state.intent
    }

    /// False when neither the file is there nor what it was to be made of.
    private func finish(_ file: IntendedFile) async throws -> Bool {
        let destination = self.destination
        if try await self.stored({ () throws(DestinationError) in try destination.exists(file.path) }) {
            try await self.stored { () throws(DestinationError) in try destination.discard(file.unfinished) }
            return true
        }
        let found = try await self.stored { () throws(DestinationError) in try destination.look(at: file.unfinished) }
        guard found == Stored(bytes: file.bytes, checksum: file.checksum) else {
            // Its writer may be giving it its name at this moment.
            return try await self.stored { () throws(DestinationError) in try destination.exists(file.path) }
        }
        let published = try await self.stored { () throws(DestinationError) in
            try destination.publish(file.unfinished, as: file.path)
        }
        return published != .missing
    }

    /// Unfinished files of earlier holders: what is in them is read again.
    private func removeLeftovers() async throws {
        let (destination, counter) = (self.destination, self.lease?.counter ?? 0)
        let prefix = FileName.unfinishedPrefix(self.settings.streamTag, self.settings.application, self.shard)
        let names = try await self.stored { () throws(DestinationError) in try destination.unfinished(prefix) }
        for name in names {
            guard let theirs = FileName.counter(of: name, prefix: prefix), theirs <= counter else { continue }
            try await self.stored { () throws(DestinationError) in try destination.discard(name) }
        }
    }
}
