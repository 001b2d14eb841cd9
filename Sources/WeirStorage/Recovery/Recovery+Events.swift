// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// Events that a commit with a right checksum counts and does not hold, or that do not fit what was read before. Their
/// commit was acknowledged; what they changed is gone, everything else of the log is not.
struct LostEvents {
    /// Commits with a section that could not be read to its end.
    private(set) var commits = 0
    /// Changes of leases that say what never happened, by what was read.
    private(set) var unfitting = 0
    private(set) var firstUnfitting = ""

    var isEmpty: Bool { self.commits == 0 && self.unfitting == 0 }
    /// Damaged ranges that were reported of them.
    var ranges: Int { self.commits + (self.unfitting > 0 ? 1 : 0) }

    mutating func loseSection() { self.commits += 1 }

    /// Whether it is the first.
    mutating func leaveOut(_ sentence: @autoclosure () -> String) -> Bool {
        self.unfitting += 1
        if self.unfitting == 1 { self.firstUnfitting = sentence() }
        return self.unfitting == 1
    }
}

/// The events of the commits that count.
extension Recovery {
    /// Applies the events of a commit. A kind that this version does not know, in a section that is whole, was written
    /// by a newer version, and stops the start: what it means is not known. Anything else that cannot be read was not
    /// written by any version: the rest of the section is lost, and that is said.
    mutating func applyEvents(
        _ header: CommitHeader, _ bytes: UnsafeRawBufferPointer, at offset: Int, in segment: Segment
    ) throws(FileError) {
        let reading = EventSection.read(
            bytes.slice(CommitHeader.bytes, header.eventsLength), count: header.eventCount)
        let place = DamagedRange(
            file: Segment.fileName(segment.header.file), offset: offset + CommitHeader.bytes,
            length: header.eventsLength)
        for (position, raw) in reading.events.enumerated() {
            let event: LoggedEvent
            do throws(LoggedEvent.Unreadable) {
                event = try LoggedEvent(raw)
            } catch {
                if case .unknownKind(let kind) = error, reading.isWhole {
                    throw FileError(
                        .io,
                        "\(header.lsn) cannot be replayed: event kind \(kind) is unknown to this version, use the one "
                            + "that wrote it; nothing was touched")
                }
                return self.loseEvents(of: header, from: position, at: place)
            }
            try self.apply(event, header.lsn, place)
        }
        if !reading.isWhole { self.loseEvents(of: header, from: reading.events.count, at: place) }
    }

    private mutating func loseEvents(of header: CommitHeader, from position: Int, at place: DamagedRange) {
        self.lostEvents.loseSection()
        self.wantsSnapshot = true
        self.reportDamage(
            place,
            "of the events of \(header.lsn) only the first \(position) can be read, though its checksum is right",
            "damaged: of the \(header.eventCount) events of \(header.lsn) (\(place)) only the first \(position) can "
                + "be read, though its checksum is right: the changes behind them, of leases by all that is known, are "
                + "lost; its records and all other commits are kept")
    }

    private mutating func apply(_ event: LoggedEvent, _ lsn: LSN, _ place: DamagedRange) throws(FileError) {
        switch event {
        case .log(.segmentDropped(let file, let useCount)): self.noteDropped(file, useCount)
        case .log(.snapshotTaken): break
        case .lease(let event): self.apply(event, lsn, place)
        case .catalog(let event):
            do {
                try self.apply(event)
            } catch {
                throw FileError(.io, "\(lsn) cannot be replayed: \(error); nothing was touched")
            }
            self.leases.follow(event)
            self.catalogLSN = lsn
            self.follow(event, lsn: lsn)
        }
    }

    private mutating func apply(_ event: CatalogEvent) throws(CatalogMismatch) {
        guard self.lost.isEmpty else { return try self.catalog.apply(event) }
        // A closing must say what the log says.
        let shards = self.shards
        try self.catalog.apply(event) { shards[$0]?.nextIndex ?? 0 }
    }

    /// No record and no stream depends on a lease: one change that builds on what was lost does not stop a start.
    private mutating func apply(_ event: LeaseEvent, _ lsn: LSN, _ place: DamagedRange) {
        do {
            try self.leases.apply(event)
        } catch {
            let isFirst = self.lostEvents.leaveOut("\(lsn): \(error)")
            self.wantsSnapshot = true
            if isFirst {
                self.report.found.append(
                    .init(
                        range: place, problem: "a change of leases does not fit what comes before it (\(lsn): \(error))"
                    ))
            }
        }
    }

    /// When all was replayed.
    mutating func reportLostEvents() {
        guard self.lostEvents.unfitting > 0 else { return }
        self.report.lines.append(
            "damaged: \(self.lostEvents.unfitting) changes of leases do not fit what was read before them and were "
                + "left out; the first in \(self.lostEvents.firstUnfitting)")
    }
}
