// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// Files get their names: once, whoever is killed when.
extension ShardDelivery {
    func nameDue() async throws {
        while true {
            let due = self.machine.due(now: self.settings.clock.monotonicNanos)
            guard !due.isEmpty else { return }
            try await self.name(due)
        }
    }

    func nameRest() async throws {
        while true {
            let rest = self.machine.rest()
            guard !rest.isEmpty else { return }
            try await self.name(rest)
        }
    }

    /// Everything that an intent of an earlier holder wants made again has been read.
    func makeAgainEnds() async throws {
        let files = self.machine.open.values.filter { if case .again = $0.slot { true } else { false } }
        if files.isEmpty {
            self.machine.nothingToMakeAgain()
        } else {
            try await self.name(files)
        }
    }

    private func name(_ files: [DeliveryMachine.OpenFile]) async throws {
        guard let cut = self.machine.again?.cut ?? self.machine.position else { return }
        var intent = Intent(cut: cut, files: [])
        for step in self.settings.steps {
            switch step {
            case .sync: intent = try await self.sync(files, cut)
            case .intent: try await self.announce(intent)
            case .names: try await self.publish(intent)
            case .commit: try await self.commit(intent, files)
            }
        }
        for file in files { self.parts[file.slot] = nil }
        self.intended = []
        let large = self.settings.files.fileBytes / 5 * 4
        self.board.count { status in
            status.files += UInt64(intent.files.count)
            status.records += files.reduce(0) { $0 + $1.records }
            status.inputBytes += files.reduce(0) { $0 + $1.inputBytes }
            for file in intent.files {
                status.bytes += file.bytes
                if file.bytes >= large { status.bytesInLargeFiles += file.bytes }
                status.lastFile = file.path
            }
        }
    }

    private func sync(_ files: [DeliveryMachine.OpenFile], _ cut: SequenceNumber) async throws -> Intent {
        var intended: [IntendedFile] = []
        for file in files {
            guard let part = self.parts[file.slot] else {
                throw BeginAnew(reason: "a file of \(self.shard) is not there")
            }
            try part.endFrame()
            try await self.stored { () throws(DestinationError) in try part.write(isAll: true) }
            let stored = try await self.stored { () throws(DestinationError) in try part.sync() }
            part.rest()
            let (partition, path) = try await self.names(file)
            intended.append(
                IntendedFile(
                    partition: partition, path: path, unfinished: part.unfinished, bytes: stored.bytes,
                    checksum: stored.checksum, first: file.first, last: file.last, records: file.records))
        }
        let destination = self.destination
        try await self.stored { () throws(DestinationError) in try destination.settleUnfinished() }
        return Intent(cut: cut, files: intended)
    }

    /// A name that nothing has: what has it was delivered before a reset, or is another's, and keeps it. From the
    /// intent on only those who finish it can take the name.
    private func names(_ file: DeliveryMachine.OpenFile) async throws -> (partition: String, path: String) {
        switch file.slot {
        case .again(let position):
            let file = self.machine.again?.files[position]
            return (file?.partition ?? "", file?.path ?? "")
        case .partition(let partition):
            let (prefix, destination) = (PrefixPattern.filled(partition, dice: self.settings.dice), self.destination)
            for copy in 1...FileName.copiesMax {
                let path =
                    prefix
                    + FileName.of(
                        self.settings.stream, first: file.first, last: file.last, self.settings.compression, copy: copy)
                let isTaken = try await self.stored { () throws(DestinationError) in try destination.exists(path) }
                if !isTaken { return (partition, path) }
            }
            throw WeirError(
                .limitExceeded,
                "\(FileName.copiesMax) files have these records already, under \(prefix): deliver into another folder",
                verdict: .init(maybeStored: false, retry: .never))
        }
    }

    private func announce(_ intent: Intent) async throws {
        self.intended = Set(intent.files.map(\.unfinished))
        try await self.save(
            DeliveryState(
                life: self.kept.life, patterns: self.kept.patterns, delivered: self.machine.deliveredStates(nil),
                intent: intent))
    }

    func save(_ state: DeliveryState) async throws {
        let bytes = state.encode()
        let before = self.kept.stored
        try await self.told { try await $0.saveState(bytes, replacing: before) }
        self.kept.stored = bytes
    }

    private func publish(_ intent: Intent) async throws {
        let destination = self.destination
        for file in intent.files {
            let published = try await self.stored { () throws(DestinationError) in
                try destination.publish(file.unfinished, as: file.path)
            }
            // Nobody else may have taken it: somebody has removed it.
            guard published != .missing else { throw BeginAnew(reason: "\(file.unfinished) is not there any more") }
        }
        try await self.stored { () throws(DestinationError) in try destination.settle(intent.files.map(\.path)) }
    }

    /// The checkpoint goes first: until it has moved, what is known beyond it is needed, and the intent says the rest.
    /// With nothing else open the checkpoint says it all, because an intent that lies before it is done.
    /// Records that were passed over need not be read again.
    func commitIdle() async throws {
        guard let checkpoint = self.machine.settleIdle() else { return }
        try await self.told { try await $0.checkpoint(at: checkpoint) }
        self.kept.patterns.forget(through: checkpoint.index)
    }

    private func commit(_ intent: Intent, _ files: [DeliveryMachine.OpenFile]) async throws {
        let before = self.machine.checkpoint
        let checkpoint = self.machine.finished(intent, files.map(\.slot))
        if let checkpoint, checkpoint != before { try await self.told { try await $0.checkpoint(at: checkpoint) } }
        if let checkpoint { self.kept.patterns.forget(through: checkpoint.index) }
        guard !self.machine.open.isEmpty || checkpoint != self.machine.position else { return }
        try await self.save(
            DeliveryState(
                life: self.kept.life, patterns: self.kept.patterns, delivered: self.machine.deliveredStates(nil)))
    }
}
