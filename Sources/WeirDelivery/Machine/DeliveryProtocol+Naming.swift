// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Files get their names: once, whoever is killed when.
extension DeliveryProtocol {
    /// Each is what was asked for last.
    enum Naming: Sendable {
        /// That the next file survives a crash.
        case seals(Files)
        /// Whether the next file's path is free. What has it was delivered before a reset, or is another's, and keeps
        /// it; from the intent on only those who finish it can take the name.
        case seeks(Files, Sealed, path: String, copy: Int)
        /// That the unfinished names survive a crash.
        case settlesUnfinished(Files)
        case announces(Files, [UInt8])
        case publishes(Files, position: Int)
        /// That the names survive a crash.
        case settles(Files)
        /// That they are noted, which must be so before the checkpoint passes them.
        case notes(Files)
        /// The checkpoint goes first: until it has moved, what is known beyond it is needed, and the intent says the
        /// rest. With nothing else open the checkpoint says it all, because an intent that lies before it is done.
        case moves(Files, SequenceNumber)
        case forgets(Files, [UInt8])
        case tells
    }

    /// Files that get their names together.
    struct Files: Sendable {
        let open: [DeliveryMachine.OpenFile]
        let cut: SequenceNumber
        var steps: ArraySlice<NamingStep>
        /// As many as were synced.
        var intended: [IntendedFile] = []

        var intent: Intent { Intent(cut: self.cut, files: self.intended) }
        /// The next one.
        var file: DeliveryMachine.OpenFile { self.open[self.intended.count] }
    }

    /// `nil`: there are none.
    mutating func name(_ open: [DeliveryMachine.OpenFile]) -> Step? {
        guard !open.isEmpty, let cut = self.plan.again?.cut ?? self.plan.position else { return nil }
        return self.goOn(Files(open: open, cut: cut, steps: self.rules.steps[...]))
    }

    private mutating func asks(_ step: Naming, _ effect: Effect) -> Step {
        self.stage = .names(step)
        return .perform(effect)
    }

    /// Takes the next step.
    private mutating func goOn(_ files: Files) -> Step {
        var files = files
        switch files.steps.popFirst() {
        case .sync: return self.seal(files)
        case .intent:
            self.intended = Set(files.intended.map(\.unfinished))
            let bytes = self.state(files.intent)
            return self.asks(.announces(files, bytes), .saveState(bytes, replacing: self.stored))
        case .names: return self.publish(files, 0)
        case .commit: return self.commit(files)
        case nil: return self.asks(.tells, .tell(.delivered(files.intended, of: files.open)))
        }
    }

    private func state(_ intent: Intent?) -> [UInt8] {
        DeliveryState(
            life: self.life, patterns: self.patterns, delivered: self.plan.deliveredStates(nil), intent: intent
        ).encode()
    }

    /// `nil`: it is no answer to that.
    mutating func handle(_ event: Event, _ step: Naming) -> Step? {
        switch (step, event) {
        case (.seals, .sealed(nil)): return self.ends(.beginsAnew("a file of \(self.rules.shard) is not there"))
        case (.seals(let files), .sealed(let sealed?)): return self.sealed(files, sealed)
        case (.seeks(var files, let sealed, let path, _), .exists(false)):
            guard case .partition(let partition) = files.file.slot else { return nil }
            files.intended.append(files.file.intended(partition, path, sealed, ends: files.file.ends))
            return self.seal(files)
        case (.seeks(let files, let sealed, _, let copy), .exists(true)):
            return self.seek(files, sealed, copy: copy + 1)
        case (.settlesUnfinished(let files), .done): return self.goOn(files)
        case (.announces(let files, let bytes), .done):
            self.stored = bytes
            return self.goOn(files)
        case (.publishes(let files, let position), .published(.missing)):
            // Nobody else may have taken it: somebody has removed it.
            return self.ends(.beginsAnew("\(files.intended[position].unfinished) is not there any more"))
        case (.publishes(let files, let position), .published): return self.publish(files, position + 1)
        case (.settles(let files), .done):
            guard self.rules.notes else { return self.goOn(files) }
            return self.asks(.notes(files), self.noting(files.intended))
        case (.notes(let files), .done): return self.goOn(files)
        case (.moves(let files, let checkpoint), .done): return self.committed(files, checkpoint)
        case (.forgets(let files, let bytes), .done):
            self.stored = bytes
            return self.goOn(files)
        case (.tells, .done):
            self.intended = []
            return self.goOn()
        default: return nil
        }
    }

    // MARK: Sync

    private mutating func seal(_ files: Files) -> Step {
        guard files.intended.count < files.open.count else {
            return self.asks(.settlesUnfinished(files), .settleUnfinished)
        }
        return self.asks(.seals(files), .seal(files.file.slot))
    }

    private mutating func sealed(_ files: Files, _ sealed: Sealed) -> Step {
        var files = files
        switch files.file.slot {
        case .partition: return self.seek(files, sealed, copy: 1)
        case .again(let position):
            guard let earlier = self.plan.again?.files[position] else {
                return self.ends(.beginsAnew("nothing of \(self.rules.shard) is to be made again"))
            }
            files.intended.append(files.file.intended(earlier.partition, earlier.path, sealed, ends: earlier.ends))
            return self.seal(files)
        }
    }

    private mutating func seek(_ files: Files, _ sealed: Sealed, copy: Int) -> Step {
        guard case .partition(let partition) = files.file.slot else { return self.seal(files) }
        let prefix = PrefixPattern.filled(partition, draw: sealed.draw)
        guard copy <= FileName.copiesMax else {
            return self.ends(
                .failed(
                    WeirError(
                        .limitExceeded,
                        "\(FileName.copiesMax) files have these records already, under \(prefix): deliver into another "
                            + "folder", verdict: .init(maybeStored: false, retry: .never))))
        }
        let path =
            prefix
            + FileName.of(
                self.rules.stream, first: files.file.first, last: files.file.last, self.rules.compression, copy: copy)
        return self.asks(.seeks(files, sealed, path: path, copy: copy), .exists(path))
    }

    // MARK: Names and commit

    private mutating func publish(_ files: Files, _ position: Int) -> Step {
        guard position < files.intended.count else {
            return self.asks(.settles(files), .settle(files.intended.map(\.path)))
        }
        let file = files.intended[position]
        return self.asks(.publishes(files, position: position), .publish(file.unfinished, as: file.path))
    }

    private mutating func commit(_ files: Files) -> Step {
        let before = self.plan.checkpoint
        let checkpoint = self.plan.finished(files.intent, files.open.map(\.slot))
        guard let checkpoint, checkpoint != before else { return self.committed(files, checkpoint) }
        return self.asks(.moves(files, checkpoint), .checkpoint(checkpoint))
    }

    private mutating func committed(_ files: Files, _ checkpoint: SequenceNumber?) -> Step {
        if let checkpoint { self.patterns.forget(through: checkpoint.index) }
        guard !self.plan.open.isEmpty || checkpoint != self.plan.position else { return self.goOn(files) }
        let bytes = self.state(nil)
        return self.asks(.forgets(files, bytes), .saveState(bytes, replacing: self.stored))
    }
}

extension DeliveryMachine.OpenFile {
    fileprivate func intended(
        _ partition: String, _ path: String, _ sealed: DeliveryProtocol.Sealed, ends: Int64
    ) -> IntendedFile {
        IntendedFile(
            partition: partition, path: path, unfinished: sealed.unfinished, bytes: sealed.stored.bytes,
            checksum: sealed.stored.checksum, first: self.first, last: self.last, records: self.records,
            ends: ends)
    }
}
