// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Which records of a shard go into which file, which files are due, and what may be checkpointed: for one holding of a
/// lease. No I/O, clock or chance.
///
/// Each partition has at most one open file. What is due is cut at the last record that was taken; other files stay
/// open, and the checkpoint stays before their first records. Of partitions that were cut beyond the checkpoint, it is
/// known through where they are delivered: whoever reads those records again leaves them out.
package struct DeliveryMachine: Sendable {
    package struct Settings: Hashable, Sendable {
        /// A file is due at so many bytes.
        package var fileBytes: UInt64
        package var measure: Measure
        /// A file is due so long after its first record came, in nanoseconds.
        package var fileNanos: UInt64
        /// Open files of the shard; with more, the least recently used one is due.
        package var openMax: Int
        /// Open files that hold what a compressor needs; with more, the least recently used one rests.
        package var activeMax: Int
        /// Files of one intent.
        package var intentMax: Int

        package init(
            fileBytes: UInt64, measure: Measure = .compressed, fileNanos: UInt64, openMax: Int = 32,
            activeMax: Int = 8, intentMax: Int = 16
        ) {
            self.fileBytes = fileBytes
            self.measure = measure
            self.fileNanos = fileNanos
            self.openMax = openMax
            self.activeMax = activeMax
            self.intentMax = intentMax
        }
    }

    package enum Measure: Hashable, Sendable {
        /// Bytes of the file.
        case compressed
        /// Bytes before they are compressed.
        case input
    }

    /// What a file is made of.
    package enum Slot: Hashable, Sendable {
        case partition(String)
        /// The file of an intent that is made again, by its position there.
        case again(Int)
    }

    package struct OpenFile: Hashable, Sendable {
        package let slot: Slot
        /// The last record before its first one; `nil`: where the lease began.
        package let before: SequenceNumber?
        package let first: SequenceNumber
        package fileprivate(set) var last: SequenceNumber
        package fileprivate(set) var records: UInt64 = 0
        package fileprivate(set) var inputBytes: UInt64 = 0
        package fileprivate(set) var storedBytes: UInt64 = 0
        package let sinceNanos: UInt64
        /// As of `IntendedFile`.
        package fileprivate(set) var ends: Int64 = 0
        /// When it was used last, and whether it holds a compressor.
        fileprivate var use: UInt64
        package fileprivate(set) var isActive = true
    }

    package let settings: Settings
    package private(set) var open: [Slot: OpenFile] = [:]
    /// By partition; only what lies beyond the checkpoint counts.
    private var delivered: [String: UInt64]
    /// The last record that was taken, or `nil` when none was and the lease begins at no record.
    package private(set) var position: SequenceNumber?
    /// Where the checkpoint may be.
    package private(set) var checkpoint: SequenceNumber?
    /// Files of an intent that have neither their name nor what they were written as: they are made again, through the
    /// cut, before anything else gets a name.
    package private(set) var again: Intent?
    private var uses: UInt64 = 0

    /// `again`: the intent with those of its files that are to be made again.
    package init(
        _ settings: Settings, from checkpoint: SequenceNumber?, delivered: [DeliveryState.Delivered] = [],
        again: Intent? = nil
    ) {
        self.settings = settings
        self.checkpoint = checkpoint
        self.position = checkpoint
        self.delivered = Dictionary(
            delivered.map { ($0.partition, $0.through) }, uniquingKeysWith: { max($0, $1) })
        self.again = again
        self.forget()
    }

    // MARK: Records

    package enum Place: Hashable, Sendable {
        /// It is in a file already.
        case delivered
        case file(Slot)
    }

    /// Where a record belongs.
    package func place(_ index: UInt64, _ partition: String) -> Place {
        // What an earlier file of the partition has comes first: one that is made again begins behind it.
        if let through = self.delivered[partition], index <= through { return .delivered }
        if let again, index <= again.cut.index,
            let position = again.files.firstIndex(where: { $0.partition == partition && $0.first.index <= index })
        {
            return .file(.again(position))
        }
        return .file(.partition(partition))
    }

    /// Whether records of one partition may have different places.
    package var mayMove: Bool { self.again != nil || !self.delivered.isEmpty }

    /// Whether everything that is to be made again has been read, so that the next record can only be taken when it is
    /// finished.
    package func mustFinish(before index: UInt64) -> Bool {
        guard let again else { return false }
        return index > again.cut.index
    }

    /// Whether everything that is to be made again has been read.
    package var hasReadAgain: Bool {
        guard let again, let position else { return false }
        return position.index >= again.cut.index
    }

    /// Nothing is open, and everything that was taken is delivered: then the checkpoint may go to the end of it.
    /// Returns it when it moves.
    package mutating func settleIdle() -> SequenceNumber? {
        guard self.again == nil, self.open.isEmpty, self.position != self.checkpoint else { return nil }
        self.settle()
        return self.checkpoint
    }

    /// What is to be done about files before records are written.
    package struct Turn: Hashable, Sendable {
        /// The file does not exist yet.
        package let isNew: Bool
        /// It had rested.
        package let wakes: Bool
        /// This one is to rest.
        package let rests: Slot?

        package init(isNew: Bool, wakes: Bool, rests: Slot?) {
            self.isNew = isNew
            self.wakes = wakes
            self.rests = rests
        }
    }

    /// Consecutive records are written into one file. `first` is the first of them and `last` the last; `ends` as of
    /// `IntendedFile`.
    package mutating func take(
        _ slot: Slot, first: SequenceNumber, last: SequenceNumber, records: UInt64, bytes: UInt64, now: UInt64,
        ends: Int64 = 0
    ) -> Turn {
        self.uses += 1
        var file =
            self.open[slot]
            ?? OpenFile(slot: slot, before: self.position, first: first, last: last, sinceNanos: now, use: self.uses)
        let isNew = self.open[slot] == nil
        let wakes = !file.isActive
        file.last = last
        file.records += records
        file.inputBytes += bytes
        file.use = self.uses
        file.isActive = true
        file.ends = max(file.ends, ends)
        self.open[slot] = file
        self.position = last
        var rests: Slot?
        if isNew || wakes, self.open.values.count(where: \.isActive) > self.settings.activeMax {
            rests = self.open.values.filter { $0.isActive && $0.slot != slot }.min { $0.use < $1.use }?.slot
            if let rests { self.open[rests]?.isActive = false }
        }
        return Turn(isNew: isNew, wakes: wakes, rests: rests)
    }

    /// Records that are delivered already were passed over.
    package mutating func pass(_ number: SequenceNumber) { self.position = number }

    /// So many bytes of the file are on their way to the disk.
    package mutating func stored(_ slot: Slot, bytes: UInt64) { self.open[slot]?.storedBytes = bytes }

    // MARK: What is due

    /// Files that are to get their names now, at most `intentMax`; whoever has finished them asks again. Empty: none.
    package func due(now: UInt64) -> [OpenFile] {
        if self.again != nil { return [] }
        var due = self.open.values.filter { self.isDue($0, now) }
        let more = self.open.count - due.count - self.settings.openMax
        if more > 0 {
            let others = self.open.values.filter { file in !due.contains { $0.slot == file.slot } }
            due += others.sorted { $0.use < $1.use }.prefix(more)
        }
        // Too much is known beyond the checkpoint: it must move to the end.
        if self.delivered.count > self.settings.openMax { due = Array(self.open.values) }
        return self.inTurn(due)
    }

    /// All files, when the shard ends or its lease is given up.
    package func rest() -> [OpenFile] {
        self.again == nil ? self.inTurn(Array(self.open.values)) : []
    }

    /// The oldest first: they hold the checkpoint back.
    private func inTurn(_ files: [OpenFile]) -> [OpenFile] {
        Array(files.sorted { $0.first.index < $1.first.index }.prefix(self.settings.intentMax))
    }

    private func isDue(_ file: OpenFile, _ now: UInt64) -> Bool {
        let bytes = self.settings.measure == .compressed ? file.storedBytes : file.inputBytes
        return bytes >= self.settings.fileBytes || now >= file.sinceNanos + self.settings.fileNanos
    }

    /// When something may become due although nothing comes.
    package var nextDeadline: UInt64? {
        guard self.again == nil else { return nil }
        return self.open.values.map { $0.sinceNanos + self.settings.fileNanos }.min()
    }

    // MARK: Names

    /// What the state says when the files of `intent` have their names. Nothing changes yet.
    package func deliveredStates(_ intent: Intent?) -> [DeliveryState.Delivered] {
        var all = self.delivered
        for file in intent?.files ?? [] { all[file.partition] = max(all[file.partition] ?? 0, intent?.cut.index ?? 0) }
        return all.map { DeliveryState.Delivered(partition: $0.key, through: $0.value) }
            .sorted { $0.partition < $1.partition }
    }

    /// They have. `slots`: the files that it was of. Returns where the checkpoint may be now.
    package mutating func finished(_ intent: Intent, _ slots: [Slot]) -> SequenceNumber? {
        for slot in slots { self.open[slot] = nil }
        for file in intent.files {
            self.delivered[file.partition] = max(self.delivered[file.partition] ?? 0, intent.cut.index)
        }
        if self.again?.cut == intent.cut, slots.contains(where: { if case .again = $0 { true } else { false } }) {
            self.again = nil
        }
        self.settle()
        return self.checkpoint
    }

    /// Of what was to be made again nothing is there any more: it has expired, or was lost.
    package mutating func nothingToMakeAgain() {
        self.again = nil
        self.settle()
    }

    /// The checkpoint goes as far as no open file begins behind it.
    private mutating func settle() {
        guard self.again == nil else { return }
        let oldest = self.open.values.min { $0.first.index < $1.first.index }
        self.checkpoint = oldest.map(\.before) ?? self.position
        self.forget()
    }

    private mutating func forget() {
        guard let checkpoint = self.checkpoint else { return }
        self.delivered = self.delivered.filter { $0.value > checkpoint.index }
    }
}
