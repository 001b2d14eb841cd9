// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirStorage
import WeirTestKit

/// What broken engines do.
extension Workers {
    /// What the engine takes for what the worker has shown.
    func shown(_ hold: LeaseHold) -> LeaseHold {
        guard let row = self.core.leases.row(self.ref, hold.shard), let owner = row.owner else { return hold }
        switch self.breakage {
        case .checkpointsWithoutCounter: return LeaseHold(shard: hold.shard, owner: owner, counter: row.counter)
        case .keepsCounter where hold.owner == owner:
            return LeaseHold(shard: hold.shard, owner: owner, counter: row.counter)
        default: return hold
        }
    }

    /// What the engine says instead of what is so.
    func misrepresent(_ assignment: Assignment) -> Assignment {
        guard let leases = assignment.leases else { return assignment }
        let told = leases.map { lease in
            var (counter, checkpoint) = (lease.counter, lease.checkpoint)
            switch self.breakage {
            case .keepsCounter: counter = 1
            case .forgetsCheckpoints: checkpoint = .trimHorizon
            case .beginsAtTip: checkpoint = self.tip(of: lease.shard) ?? checkpoint
            default: break
            }
            return AssignedLease(
                shard: lease.shard, counter: counter, checkpoint: checkpoint,
                isToBeHandedOver: lease.isToBeHandedOver)
        }
        return Assignment(version: assignment.version, leases: told)
    }

    private func tip(of shard: ShardNumber) -> LeaseCheckpoint? {
        guard let state = self.core.shard(ShardRef(stream: self.stream, shard: shard)),
            state.durableEnd > state.firstIndex
        else { return nil }
        return .sequenceNumber(
            SequenceNumber(
                shardCreationSecond: state.creationSecond, shard: shard, index: state.durableEnd - 1,
                arrivalSecond: UInt64(self.node.now) / 1000), subSequence: nil)
    }

    /// Whether the broken engine lets a shard begin which a right one would not.
    private func beginsEarly(_ shard: ShardNumber) -> Bool {
        let isUnfinished = { (ancestor: ShardNumber) in self.leases.ahead[ancestor].map { !$0.isFinished } ?? false }
        guard self.ancestors(of: shard).contains(where: isUnfinished) else { return false }
        switch self.breakage {
        case .childrenBeforeParents: return true
        case .childrenBeforeGrandparents:
            let parents = self.core.catalog.stream(self.stream)?.shard(shard)?.parents ?? []
            return !parents.contains(where: isUnfinished)
        default: return false
        }
    }

    func assignChildrenEarly() throws(Violation) {
        guard self.breakage == .childrenBeforeParents || self.breakage == .childrenBeforeGrandparents,
            let member = self.applications?.group(of: self.ref)?.members.values.filter(\.hasJoined)
                .min(by: { $0.owner.worker < $1.owner.worker }),
            let child = self.leases.ahead.sorted(by: { $0.key < $1.key }).first(where: { number, row in
                row.owner == nil && !row.isFinished && self.beginsEarly(number)
            })?.key
        else { return }
        _ = try? self.core.submit(
            .assign(self.ref, [.init(shard: child, owner: member.owner)]), nowMillis: self.node.now)
        try self.observe(.tick)
    }

    /// Looks at the workers as if it had been awake all the time.
    func expireInPause(since start: UInt64) throws(Violation) {
        var nanos = start
        while self.isUp, nanos < self.nanos {
            try self.tickLanes(at: nanos)
            nanos += 80_000_000
        }
    }

    /// As if nobody was expected: a timeout passes before anybody is heard.
    func expireAtRestart() throws(Violation) {
        for tick in 0...24 as ClosedRange<UInt64> { try self.tickLanes(at: self.nanos + tick * 250_000_000) }
    }

    private func tickLanes(at nanos: UInt64) throws(Violation) {
        guard let process = self.simulation.process else { return }
        try process.clock.pretend(nanos) { () throws(Violation) in
            try self.expire { for host in process.hosts { host.lane.tick() } }
        }
    }
}
