// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

/// Who holds which leases of an application, and how heavy they are: the bytes a second of a lease, and a little for
/// each, so that idle ones are spread too. Finished leases are nobody's duty.
///
/// Kept in step with the lease table by what changed, so that a question costs the same however many shards there are.
struct Duties: Sendable {
    enum Holder: Hashable, Sendable {
        case nobody
        case worker(LeaseOwner)
    }

    private struct Duty: Sendable {
        var shards: Set<ShardNumber> = []
        /// Of those that were measured.
        var measuredBytes: UInt64 = 0
        var measuredCount = 0
    }

    private var holders: [ShardNumber: Holder] = [:]
    private var duties: [LeaseOwner: Duty] = [:]
    /// Bytes a second that the holders have measured, smoothed.
    private(set) var measured: [ShardNumber: UInt64] = [:]
    private var measuredSum: UInt64 = 0

    /// Unfinished leases.
    var count: Int { self.holders.count }
    var all: [ShardNumber] { Array(self.holders.keys) }
    var isHeldByAnybody: Bool { !self.duties.isEmpty }

    /// `nil`: there is no such lease, or it is finished.
    func holder(of shard: ShardNumber) -> Holder? { self.holders[shard] }

    func isHeld(_ shard: ShardNumber, by owner: LeaseOwner) -> Bool { self.holders[shard] == .worker(owner) }

    func shards(of owner: LeaseOwner) -> Set<ShardNumber> { self.duties[owner]?.shards ?? [] }

    // MARK: Changes

    /// What the table says of one shard now.
    mutating func set(_ shard: ShardNumber, _ holder: Holder?) {
        let before = self.holders[shard]
        guard before != holder else { return }
        let bytes = self.measured[shard]
        if case .worker(let owner)? = before {
            self.duties[owner]?.shards.remove(shard)
            if let bytes {
                self.duties[owner]?.measuredBytes -= bytes
                self.duties[owner]?.measuredCount -= 1
            }
            if self.duties[owner]?.shards.isEmpty ?? false { self.duties[owner] = nil }
        }
        self.holders[shard] = holder
        switch holder {
        case .worker(let owner):
            self.duties[owner, default: Duty()].shards.insert(shard)
            if let bytes {
                self.duties[owner]?.measuredBytes += bytes
                self.duties[owner]?.measuredCount += 1
            }
        case .nobody: break
        case nil:
            if let bytes {
                self.measured[shard] = nil
                self.measuredSum -= bytes
            }
        }
    }

    /// The holder of the shard has measured so much; what others say is not heard. Returns whether that is news.
    mutating func measure(_ shard: ShardNumber, _ claimed: UInt64, by owner: LeaseOwner) -> Bool {
        guard self.isHeld(shard, by: owner) else { return false }
        let before = self.measured[shard]
        let bytes = before.map { $0 / 2 + claimed / 2 } ?? claimed
        guard bytes != before else { return false }
        self.measured[shard] = bytes
        self.measuredSum = self.measuredSum - (before ?? 0) + bytes
        if before == nil { self.duties[owner]?.measuredCount += 1 }
        let known = self.duties[owner]?.measuredBytes ?? 0
        self.duties[owner]?.measuredBytes = known - (before ?? 0) + bytes
        return true
    }

    // MARK: Weights

    /// Of a lease that was not measured.
    private var average: UInt64 { self.measuredSum / UInt64(max(1, self.measured.count)) }
    /// Of every lease, beside its bytes.
    private var base: UInt64 { max(1024, self.average / 10) }

    func weight(of shard: ShardNumber) -> UInt64 { (self.measured[shard] ?? self.average) + self.base }

    func weight(of owner: LeaseOwner) -> UInt64 {
        guard let duty = self.duties[owner] else { return 0 }
        return duty.measuredBytes + UInt64(duty.shards.count - duty.measuredCount) * self.average
            + UInt64(duty.shards.count) * self.base
    }

    /// Of all leases.
    var weight: UInt64 {
        self.measuredSum + UInt64(self.count - self.measured.count) * self.average + UInt64(self.count) * self.base
    }
}

/// Leases that nobody holds: those that may be given out, and those whose parents must be finished before.
struct UnheldLeases: Sendable {
    private(set) var ready = ShardSet()
    /// By the shard that must be finished first, or one of those.
    private var blocked: [ShardNumber: Set<ShardNumber>] = [:]
    private var blockers: [ShardNumber: ShardNumber] = [:]

    /// Not known yet whether it may be given out: looked at when something can be.
    mutating func insert(_ shard: ShardNumber) {
        self.remove(shard)
        self.ready.insert(shard)
    }

    mutating func block(_ shard: ShardNumber, by blocker: ShardNumber) {
        self.remove(shard)
        self.blocked[blocker, default: []].insert(shard)
        self.blockers[shard] = blocker
    }

    mutating func remove(_ shard: ShardNumber) {
        self.ready.remove(shard)
        guard let blocker = self.blockers.removeValue(forKey: shard) else { return }
        self.blocked[blocker]?.remove(shard)
        if self.blocked[blocker]?.isEmpty ?? false { self.blocked[blocker] = nil }
    }

    /// Something about this shard has changed: those that wait for it are looked at again.
    mutating func unblock(by blocker: ShardNumber) {
        guard let waiting = self.blocked.removeValue(forKey: blocker) else { return }
        for shard in waiting {
            self.blockers[shard] = nil
            self.ready.insert(shard)
        }
    }
}
