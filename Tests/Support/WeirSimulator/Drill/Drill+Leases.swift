// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// Leases, consumers and attributes, changed under the engine: what a log makes of their events is judged here, not
/// what workers do with them.
extension Drill {
    /// One change of leases or many at once, of applications and workers with names of any length.
    func changeLeases() throws(Violation) {
        let streams = self.streams
        guard !streams.isEmpty else { return }
        for _ in 0..<self.random.pick([1, 1, 2, 5, 30]) {
            let stream = self.random.pick(streams)
            // Events close no commit for puts, but a stream may be gone by the one before.
            guard self.core.catalog.stream(stream.id) != nil else { return }
            guard let command = self.leaseCommand(stream) else { continue }
            try self.node.change(command) { () throws(WeirError) in
                try self.core.submit(command, nowMillis: self.node.now)
            }
            self.simulation.tally[.leaseChanges] += 1
        }
    }

    private func leaseCommand(_ stream: StreamState) -> LeaseCommand? {
        let names = [1, 7, 40, 128].map { String(repeating: "a", count: $0) }
        guard let name = try? ApplicationName(self.random.pick(names)),
            let consumer = try? ConsumerName(self.random.pick(names)),
            let worker = try? WorkerID(String(repeating: "w", count: self.random.pick([1, 20, 100, 256])))
        else { return nil }
        let ref = ApplicationRef(stream: stream.id, name: name)
        guard let application = self.core.leases.application(ref) else {
            return .createApplication(ref, from: .trimHorizon)
        }
        let rows = application.rows.sorted { $0.key < $1.key }
        switch self.random.below(20) {
        case 0: return .deleteApplication(ref, force: true)
        case 1: return .reset(ref, shard: nil, to: .trimHorizon, force: true, reason: "because")
        case 2:
            guard self.core.leases.isRegistered(consumer, of: stream.id) else {
                return .registerConsumer(stream.id, consumer)
            }
            return .deregisterConsumer(stream.id, consumer)
        case 3...9:
            let owner = LeaseOwner(worker: worker, incarnation: self.random.next())
            let changes = rows.filter { _ in self.random.chance(1, of: 2) }.map {
                LeasesAssigned.Change(shard: $0.key, owner: self.random.chance(1, of: 6) ? nil : owner)
            }
            return changes.isEmpty ? nil : .assign(ref, changes)
        default:
            let held = rows.filter { $0.value.owner != nil }
            guard !held.isEmpty else { return nil }
            let (number, row) = self.random.pick(held)
            guard let owner = row.owner, let shard = stream.shard(number),
                let state = self.core.shard(ShardRef(stream: stream.id, shard: number)),
                state.nextIndex > shard.firstIndex
            else { return nil }
            if self.random.chance(1, of: 3) {
                // Around what a commit holds inline, a block of the log, and the limit.
                let bytes = self.random.pick([0, 1, 255, 4095, 4096, 4097, 20_000, 65_535, 65_536, 65_537])
                return .saveState(
                    ref, LeaseHold(shard: number, owner: owner, counter: row.counter),
                    [UInt8](repeating: UInt8(truncatingIfNeeded: self.random.next()), count: bytes),
                    replaces: self.random.chance(1, of: 8) ? 1 : LeaseState.checksum(row.state))
            }
            let index = state.nextIndex - 1 - UInt64(self.random.below(min(4, Int(state.nextIndex - shard.firstIndex))))
            return .checkpoint(
                ref, LeaseHold(shard: number, owner: owner, counter: row.counter),
                .sequenceNumber(
                    SequenceNumber(
                        shardCreationSecond: shard.creationSecond, shard: number, index: index, arrivalSecond: 0),
                    subSequence: self.random.chance(1, of: 4) ? self.random.next() : nil))
        }
    }

    /// Attributes of whatever carries some, of any length, and limits profiles. What a recovery finds of them is
    /// compared with the rest of the catalog and of the lease table.
    func changeFacts() throws(Violation) {
        guard self.node.plan.hasFacts, self.random.chance(1, of: 8), !self.streams.isEmpty else { return }
        let stream = self.random.pick(self.streams)
        if self.random.chance(1, of: 4) {
            let rates = RateLimits(
                bytesIn: Int64(self.random.within(1...1 << 20)), recordsIn: nil, bytesOut: nil, readsOut: 5)
            let profile = self.random.pick([LimitsProfile.kinesis, .open, .explicit(rates)])
            return try self.submit(.updateStream(stream.id, StreamChanges(limits: profile)))
        }
        let owner = self.attributeOwner(of: stream.id)
        let changes = self.attributeChanges()
        guard owner != .stream else { return try self.submit(.setAttributes(stream.id, changes)) }
        try self.node.change(what: "\(changes.count) attributes of \(owner)") { () throws(WeirError) in
            try self.core.submit(.setAttributes(stream.id, owner, changes), nowMillis: self.node.now)
        }
    }

    private func attributeOwner(of stream: StreamID) -> AttributesChanged.Owner {
        let applications = self.core.leases.applications(of: stream).map {
            AttributesChanged.Owner.application($0.name)
        }
        let consumers = self.core.leases.consumers(of: stream).map { AttributesChanged.Owner.consumer($0.name) }
        return self.random.pick([.stream] + applications + consumers)
    }

    /// A few names, so that they are set again and removed; values up to the longest.
    private func attributeChanges() -> [AttributeChange] {
        var changes: [String: AttributeChange] = [:]
        for _ in 0..<self.random.pick([1, 1, 3, 20]) {
            let namespace = self.random.pick(["tags", "policy", "delivery-streams.of-this-node.1"])
            let key = String(repeating: "k", count: self.random.pick([1, 2, 30, 512]))
            let length = self.random.pick([0, 1, 100, 4000, Limits.attributeValueBytes.upperBound])
            guard let name = try? AttributeName(namespace: namespace, key: key),
                let change = try? AttributeChange(name, String(repeating: "v", count: length))
            else { continue }
            changes[name.description] = change
        }
        return changes.values.sorted { $0.name < $1.name }
    }
}
