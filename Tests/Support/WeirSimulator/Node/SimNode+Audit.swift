// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension SimNode {
    /// After each step: what must hold at every moment.
    func audit() throws(Violation) {
        self.tally[.audits] += 1
        do {
            try self.core.checkBooks()
            if self.tally[.audits].isMultiple(of: 16) { try self.core.catalog.checkInvariants() }
        } catch {
            throw Violation("\(error)")
        }
        if self.tally[.audits].isMultiple(of: 200) { try self.auditAll() }
    }

    /// A new core's catalog: one that was there before, and nothing that was told is undone.
    func checkCatalog() throws(Violation) {
        let now = self.core.catalog
        do {
            try now.checkInvariants()
            try now.checkSuccession(of: self.tellings.told)
        } catch {
            throw Violation("after a recovery: \(error)")
        }
        for earlier in [(lsn: LSN.none, catalog: self.tellings.told)] + self.tellings.untold
        where earlier.catalog.version == now.version {
            guard earlier.catalog.encodeSnapshot() == now.encodeSnapshot() else {
                throw Violation("after a recovery the catalog of version \(now.version) is another one")
            }
        }
        self.tellings.told = now
        self.tellings.untold.removeAll()
        for stream in self.tellings.deleted where now.stream(stream) != nil {
            throw Violation("\(stream) was told to be deleted, and is there again")
        }
    }

    /// Reads everything that can be read and compares it with what was put.
    func auditAll() throws(Violation) {
        let armed = self.trouble.armed
        self.trouble.armed = nil
        defer { self.trouble.armed = armed }
        for ref in self.checker.knownShards {
            if self.tellings.told.wasDeleted(ref.stream) {
                guard self.tellings.wantedDeleted.contains(ref.stream) else {
                    throw Violation("\(ref.stream) is gone, and nobody deleted it")
                }
                self.checker.forget(ref.stream)
                continue
            }
            try self.audit(ref)
        }
    }

    private func audit(_ ref: ShardRef) throws(Violation) {
        let stream = self.tellings.told.stream(ref.stream)
        let horizon = stream?.horizonMillis ?? 0
        let retention = stream?.settings.retentionMillis ?? .max / 4
        let visibleFrom = stream.map(self.visibleFrom) ?? self.now - retention
        // A change on its way that hides less counts already: or it would bring back what it finds hidden.
        let hiddenBefore = self.tellings.untold.reduce(max(horizon, self.now - retention)) { hidden, coming in
            guard let later = coming.catalog.stream(ref.stream) else { return hidden }
            return min(hidden, max(later.horizonMillis, self.now - later.settings.retentionMillis))
        }
        guard self.tellings.told.shard(ref) != nil else {
            // It left the list, and the horizon rose to its end: everything in it is hidden, also what arrived in that
            // millisecond.
            try self.checker.audited(
                ref, indexes: 0..<0, visibleFrom: max(visibleFrom, horizon + 1), hiddenBefore: hiddenBefore,
                capped: stream?.cappedPosition ?? 0)
            try self.judgeKept(ref, indexes: 0..<0)
            return
        }
        var index: UInt64 = 0
        var first: UInt64?
        while true {
            let result = try self.readOnce(ref, from: index, maxBytes: 1 << 20)
            guard let result else { return }
            if result.recordCount == 0 {
                guard result.nextIndex >= result.durableEnd else {
                    throw Violation("a reader of \(ref) stands still at \(result.nextIndex) of \(result.durableEnd)")
                }
                index = result.nextIndex
                break
            }
            // A clock that falls back shows again what it hid, with gaps where it was right and something was deleted.
            if let first, result.missed > 0, self.trueTime.error >= 0 {
                throw Violation("\(ref) has a gap of \(result.missed) records in \(first)..<\(result.nextIndex)")
            }
            first = first ?? result.firstIndex
            index = result.nextIndex
        }
        try self.checker.audited(
            ref, indexes: (first ?? index)..<index, visibleFrom: visibleFrom, hiddenBefore: hiddenBefore,
            capped: stream?.cappedPosition ?? 0)
        try self.judgeKept(ref, indexes: (first ?? index)..<index)
    }

    /// Reads once and judges what came. `nil` when a fault was played in it, or when the stream is gone.
    func readOnce(
        _ ref: ShardRef, from index: UInt64, maxBytes: Int, maxRecords: Int = 10_000
    ) throws(Violation) -> ReadResult? {
        let faults = self.trouble.count
        let request = ReadRequest(
            shard: ref, fromIndex: index, maxRecords: maxRecords, maxBytes: maxBytes, nowMillis: self.now)
        switch self.readNow(request) {
        case .success(let result):
            if let told = self.trouble.damageTold.popLast() {
                self.trouble.damageTold.removeAll()
                if self.trouble.count > faults || self.disk.isDown { return nil }
                throw Violation("a reader of \(ref) is told of damage where there is none: \(told)")
            }
            try self.judge(result, of: ref, from: index)
            return result
        case .failure(let error):
            if self.trouble.count > faults || self.disk.isDown { return nil }
            try self.judge(error, of: ref)
            return nil
        }
    }

    private func judge(_ error: WeirError, of ref: ShardRef) throws(Violation) {
        switch error.code {
        case .streamDeleted where self.tellings.wantedDeleted.contains(ref.stream):
            self.tellings.deleted.insert(ref.stream)
        case .streamNotFound where self.tellings.told.stream(ref.stream) == nil: break
        case .shardNotFound where self.tellings.told.shard(ref) == nil: break
        default: throw Violation("a read of \(ref) is refused: \(error)")
        }
    }

    private func judge(_ result: ReadResult, of ref: ShardRef, from index: UInt64) throws(Violation) {
        var next = result.firstIndex
        for chunk in result.chunks {
            let problem: Violation? = chunk.withBytes { raw in
                do throws(Violation) {
                    try self.judge(raw, of: ref, result.firstIndex..<max(result.firstIndex, result.nextIndex), &next)
                    return nil
                } catch {
                    return error
                }
            }
            if let problem { throw problem }
        }
        guard next == result.nextIndex else {
            throw Violation("a read of \(ref) holds records up to \(next), and says up to \(result.nextIndex)")
        }
        if let trimmed = self.tellings.trimmed[ref], result.recordCount > 0, result.firstIndex < trimmed,
            !self.trueTime.hasJumped
        {
            throw Violation("\(ref) returns index \(result.firstIndex); what is below \(trimmed) was told to be gone")
        }
        if result.missed > 0 { self.tellings.trimmed[ref] = max(self.tellings.trimmed[ref] ?? 0, result.firstIndex) }
        try self.checker.toldEnd(result.durableEnd, of: ref)
    }

    /// Judges the records that a lane gave; returns the index behind them.
    func judge(_ found: FoundRecords) throws(Violation) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(found.batchBytes)
        found.forEachPiece { bytes.append(contentsOf: $0) }
        guard bytes.count == found.batchBytes else {
            throw Violation("a read of \(found.shard) says \(found.batchBytes) bytes and has \(bytes.count)")
        }
        var next = found.firstIndex
        let problem: Violation? = bytes.withUnsafeBytes { raw in
            do throws(Violation) {
                try self.judge(
                    raw, of: found.shard, found.firstIndex..<max(found.firstIndex, found.nextIndex), &next)
                return nil
            } catch {
                return error
            }
        }
        if let problem { throw problem }
        guard next == found.nextIndex else {
            throw Violation("a read of \(found.shard) holds records up to \(next), not \(found.nextIndex)")
        }
        return next
    }

    /// Judges batches of which the records in `indexes` were asked for; `next` counts on.
    func judge(
        _ raw: UnsafeRawBufferPointer, of ref: ShardRef, _ indexes: Range<UInt64>, _ next: inout UInt64
    ) throws(Violation) {
        var offset = 0
        do {
            while offset < raw.count {
                let placement = try Placement(reading: raw.slice(offset, Placement.bytes))
                let body = raw.slice(offset + Placement.bytes, placement.bodyLength)
                let header = try BatchBody.header(of: body)
                var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, header.recordsLength))
                for index in placement.firstIndex..<placement.endIndex {
                    guard let record = try cursor.next() else { throw Violation("a batch of \(ref) lacks records") }
                    guard indexes.contains(index) else { continue }
                    guard index == next else { throw Violation("a read of \(ref) goes from \(next) to \(index)") }
                    next += 1
                    try self.checker.read(record, of: ref, at: index, arrivalMillis: placement.arrivalMillis)
                }
                offset += placement.totalLength
            }
        } catch let error as Violation {
            throw error
        } catch {
            throw Violation("a read of \(ref) returns what is no batch: \(error)")
        }
    }
}
