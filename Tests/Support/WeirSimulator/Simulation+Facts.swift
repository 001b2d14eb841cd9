// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirStorage
import WeirTestKit

extension Simulation {
    /// Attributes of whatever carries some, of any length, and limits profiles. What a recovery finds of them is
    /// compared with the rest of the catalog and of the lease table.
    func changeFacts() throws(Violation) {
        guard self.plan.hasFacts else { return }
        // From numbers of their own, so that the other histories of a seed stay what they were.
        var random = SplitMix64(seed: self.seed ^ 0x5eed_fac7 &+ UInt64(self.tally.steps) &* 0x9e37_79b9)
        guard random.chance(1, of: 8) else { return }
        let streams = self.core.catalog.streams(after: nil, limit: .max)
        guard !streams.isEmpty else { return }
        let stream = random.pick(streams)
        if random.chance(1, of: 4) {
            let rates = RateLimits(
                bytesIn: Int64(random.within(1...1 << 20)), recordsIn: nil, bytesOut: nil, readsOut: 5)
            let profile = random.pick([LimitsProfile.kinesis, .open, .explicit(rates)])
            return try self.submit(.updateStream(stream.id, StreamChanges(limits: profile)))
        }
        let owner = self.attributeOwner(of: stream.id, &random)
        let changes = Self.attributeChanges(&random)
        guard owner != .stream else { return try self.submit(.setAttributes(stream.id, changes)) }
        let before = self.leasesBefore
        do throws(WeirError) {
            let lsn = try self.core.submit(.setAttributes(stream.id, owner, changes), nowMillis: self.now)
            self.trace.note("\(changes.count) attributes of \(owner), \(lsn)")
        } catch {
            self.trace.note("\(changes.count) attributes of \(owner) refused: \(error)")
            guard ![.internalFailure, .damaged].contains(error.code) else { throw Violation("attributes: \(error)") }
        }
        self.noteLeases(since: before)
    }

    private func attributeOwner(of stream: StreamID, _ random: inout SplitMix64) -> AttributesChanged.Owner {
        let applications = self.core.leases.applications(of: stream).map {
            AttributesChanged.Owner.application($0.name)
        }
        let consumers = self.core.leases.consumers(of: stream).map { AttributesChanged.Owner.consumer($0.name) }
        return random.pick([.stream] + applications + consumers)
    }

    /// A few names, so that they are set again and removed; values up to the longest.
    private static func attributeChanges(_ random: inout SplitMix64) -> [AttributeChange] {
        var changes: [String: AttributeChange] = [:]
        for _ in 0..<random.pick([1, 1, 3, 20]) {
            let namespace = random.pick(["tags", "policy", "delivery-streams.of-this-node.1"])
            let key = String(repeating: "k", count: random.pick([1, 2, 30, 512]))
            let length = random.pick([0, 1, 100, 4000, Limits.attributeValueBytes.upperBound])
            guard let name = try? AttributeName(namespace: namespace, key: key),
                let change = try? AttributeChange(name, String(repeating: "v", count: length))
            else { continue }
            changes[name.description] = change
        }
        return changes.values.sorted { $0.name < $1.name }
    }
}
