// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// What the lease table was, change by change. After a recovery it is what it was at the last commit that counts.
struct LeaseStates {
    private struct State {
        /// The change began in this commit and ended in `lsn`: what lies between was seen by nobody.
        let from: LSN
        let lsn: LSN
        let bytes: [UInt8]
    }

    private var states: [State] = []

    mutating func add(_ bytes: [UInt8], from: LSN, to lsn: LSN) {
        if let last = self.states.last, last.lsn == lsn, last.bytes == bytes { return }
        self.states.append(State(from: min(from, lsn), lsn: lsn, bytes: bytes))
    }

    /// Nothing goes back behind this commit.
    mutating func durable(_ lsn: LSN) {
        guard let newest = self.states.lastIndex(where: { $0.lsn <= lsn }), newest > 0 else { return }
        self.states.removeFirst(newest)
    }

    /// A recovery ended in this commit: the state that must be there, when it was seen.
    mutating func recovered(at cut: LSN, _ bytes: [UInt8]) -> Bool {
        defer { self.states = [State(from: cut, lsn: cut, bytes: bytes)] }
        guard !self.states.contains(where: { $0.from <= cut && cut < $0.lsn }),
            let expected = self.states.last(where: { $0.lsn <= cut })
        else { return true }
        return expected.bytes == bytes
    }
}

extension Simulation {
    /// Sizes around the border that the open commit has before it, in histories with near ones.
    func recordLength() -> Int {
        guard self.plan.hasNearBorders, self.more.chance(1, of: 3) else {
            return self.random.within(8...self.plan.recordBytesMax)
        }
        let bounds = self.plan.configuration.commitBounds
        let border = self.more.pick([
            bounds.closeBytes - self.core.openBytes, bounds.closeBytes, bounds.bufferBytes - self.core.openBytes,
            bounds.bufferBytes, LogFormat.block, bounds.waitingBytes,
        ])
        return min(max(8, border + self.more.within(-160...24)), SimRecord.lengths.upperBound)
    }

    /// One change of leases or many at once, of applications and workers with names of any length.
    func changeLeases() throws(Violation) {
        let streams = self.core.catalog.streams(after: nil, limit: .max)
        guard !streams.isEmpty else { return }
        for _ in 0..<self.more.pick([1, 1, 2, 5, 30]) {
            let stream = self.more.pick(streams)
            // Events close no commit for puts, but a stream may be gone by the one before.
            guard self.core.catalog.stream(stream.id) != nil else { return }
            let before = self.leasesBefore
            guard let command = self.leaseCommand(stream) else { continue }
            do throws(WeirError) {
                let lsn = try self.core.submit(command, nowMillis: self.now)
                self.tally.leaseChanges += 1
                self.trace.note("\(command), \(lsn)")
            } catch {
                self.trace.note("\(command) refused: \(error)")
                guard ![.internalFailure, .damaged].contains(error.code) else {
                    throw Violation("\(command): \(error)")
                }
            }
            self.noteLeases(since: before)
        }
    }

    private func leaseCommand(_ stream: StreamState) -> LeaseCommand? {
        let names = [1, 7, 40, 128].map { String(repeating: "a", count: $0) }
        guard let name = try? ApplicationName(self.more.pick(names)),
            let consumer = try? ConsumerName(self.more.pick(names)),
            let worker = try? WorkerID(String(repeating: "w", count: self.more.pick([1, 20, 100, 256])))
        else { return nil }
        let ref = ApplicationRef(stream: stream.id, name: name)
        guard let application = self.core.leases.application(ref) else {
            return .createApplication(ref, from: .trimHorizon)
        }
        let rows = application.rows.sorted { $0.key < $1.key }
        switch self.more.below(20) {
        case 0: return .deleteApplication(ref, force: true)
        case 1: return .reset(ref, shard: nil, to: .trimHorizon, force: true, reason: "because")
        case 2:
            guard self.core.leases.isRegistered(consumer, of: stream.id) else {
                return .registerConsumer(stream.id, consumer)
            }
            return .deregisterConsumer(stream.id, consumer)
        case 3...9:
            let owner = LeaseOwner(worker: worker, incarnation: self.more.next())
            let changes = rows.filter { _ in self.more.chance(1, of: 2) }.map {
                LeasesAssigned.Change(shard: $0.key, owner: self.more.chance(1, of: 6) ? nil : owner)
            }
            return changes.isEmpty ? nil : .assign(ref, changes)
        default:
            let held = rows.filter { $0.value.owner != nil }
            guard !held.isEmpty else { return nil }
            let (number, row) = self.more.pick(held)
            guard let owner = row.owner, let shard = stream.shard(number),
                let state = self.core.shard(ShardRef(stream: stream.id, shard: number)),
                state.nextIndex > shard.firstIndex
            else { return nil }
            if self.more.chance(1, of: 3) {
                // Around what a commit holds inline, a block of the log, and the limit.
                let bytes = self.more.pick([0, 1, 255, 4095, 4096, 4097, 20_000, 65_535, 65_536, 65_537])
                return .saveState(
                    ref, LeaseHold(shard: number, owner: owner, counter: row.counter),
                    [UInt8](repeating: UInt8(truncatingIfNeeded: self.more.next()), count: bytes),
                    replaces: self.more.chance(1, of: 8) ? 1 : LeaseState.checksum(row.state))
            }
            let index = state.nextIndex - 1 - UInt64(self.more.below(min(4, Int(state.nextIndex - shard.firstIndex))))
            return .checkpoint(
                ref, LeaseHold(shard: number, owner: owner, counter: row.counter),
                .sequenceNumber(
                    SequenceNumber(
                        shardCreationSecond: shard.creationSecond, shard: number, index: index, arrivalSecond: 0),
                    subSequence: self.more.chance(1, of: 4) ? self.more.next() : nil))
        }
    }

    /// Where a change that comes now begins at the earliest.
    var leasesBefore: (lsn: LSN, version: UInt64) { (self.core.openLSN, self.core.catalog.version) }

    /// The lease table as it is now will be on the disk with its last change.
    func noteLeases(since before: (lsn: LSN, version: UInt64)) {
        guard self.plan.hasLeases, self.steps > 0 else { return }
        let lsn = self.core.leaseLSN
        // More than one event may lie in more than one commit.
        let from = self.core.catalog.version > before.version + 1 ? before.lsn : lsn
        self.leaseStates.add(self.core.leases.encodeSnapshot(), from: from, to: lsn)
    }

    func checkLeases() throws(Violation) {
        guard self.plan.hasLeases, self.steps > 0 else { return }
        guard self.leaseStates.recovered(at: self.core.cut.lsn, self.core.leases.encodeSnapshot()) else {
            throw Violation("after a recovery up to \(self.core.cut.lsn) the lease table is not what it was then")
        }
    }
}
