// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirTestKit

/// A client who does not care for order: each put stands alone, and what is refused is not put again.
final class LooseClient: LaneMember {
    unowned let simulation: Simulation
    private var random: SplitMix64
    private(set) var connection: (door: SimDoor, caller: LaneCaller)?

    init(_ simulation: Simulation) {
        self.simulation = simulation
        self.random = SplitMix64(seed: simulation.random.next())
    }

    private var node: SimNode { self.simulation.node }

    func connect(_ process: EngineProcess) {
        let (lane, _, caller) = self.simulation.connect(process)
        self.connection = (SimDoor(simulation: self.simulation, lane: lane), caller)
        lane.add(caller, self)
    }

    func disconnected() { self.connection = nil }

    func leave() {
        if let (door, caller) = self.connection {
            door.lane.remove(caller)
            caller.holdings.close()
        }
        self.connection = nil
    }

    func releaseAnswers() -> Bool { true }
    func woken(_ wait: UInt64) {}
    func lookAgain() {}
    var hasRoom: Bool { true }

    /// Puts records of a few keys: routed by the server, grouped by shard in one put, or a put for each shard.
    func put(to stream: StreamState) throws(Violation) {
        let count = self.random.within(1...self.node.plan.recordsMax)
        let way = self.random.below(3)
        var groups: [SimDoor.Group] = []
        for _ in 0..<count {
            let record = SimRecord(
                id: 0, key: self.random.below(self.node.plan.keys), length: self.recordLength())
            let shard = way == 0 ? nil : stream.map.shard(for: record.hashKey).number
            if let position = groups.firstIndex(where: { $0.shard == shard }) {
                groups[position].records.append(record)
            } else {
                groups.append((shard, [record]))
            }
        }
        let puts = way == 2 ? groups.map { [$0] } : [groups]
        for put in self.numbered(puts) { try self.put(put, to: stream) }
    }

    /// The records are numbered as they are put.
    private func numbered(_ puts: [[SimDoor.Group]]) -> [[SimDoor.Group]] {
        var nextID = self.node.checker.nextID
        return puts.map { groups in
            groups.map { group in
                let records = group.records.map { record in
                    defer { nextID += 1 }
                    return SimRecord(id: nextID, key: record.key, length: record.length)
                }
                return (group.shard, records)
            }
        }
    }

    private func put(_ groups: [SimDoor.Group], to stream: StreamState) throws(Violation) {
        guard let (door, caller) = self.connection else { return }
        let put = SimDoor.Put(header: PutHeader(stream: stream.id, mapVersion: stream.map.version), groups: groups)
        guard let outcome = try door.put([put], by: { caller }).first else { return }
        self.node.trace.note("put \(put.records.count) in \(groups.count) groups to \(stream.id): \(outcome.fates)")
        let limits = stream.settings.limits
        for fate in outcome.fates {
            guard case .refused(let code) = fate else { continue }
            if code == .storageFull { self.simulation.tally[.full] += 1 }
            let isThrottled = code == .throughputExceeded && (limits.recordsIn != nil || limits.bytesIn != nil)
            guard isThrottled || [.unavailable, .storageFull].contains(code) else {
                throw Violation("a put to \(stream.id) is refused: \(code)")
            }
        }
        door.lane.whenDurable(outcome.mark) {
            for case .stored(let id) in outcome.fates {
                self.simulation.guarded { () throws(Violation) in try self.node.judgeAcknowledgement(of: id) }
            }
        } onFailure: {
        }
    }

    /// Sizes around the border that the open commit has before it, in histories with near ones.
    private func recordLength() -> Int {
        guard self.node.plan.hasNearBorders, self.random.chance(1, of: 3) else {
            return self.random.within(8...self.node.plan.recordBytesMax)
        }
        let (bounds, open) = (self.node.plan.configuration.commitBounds, self.node.core.openBytes)
        let border = self.random.pick([
            bounds.closeBytes - open, bounds.closeBytes, bounds.bufferBytes - open, bounds.bufferBytes,
            LogFormat.block, bounds.waitingBytes,
        ])
        return min(max(8, border + self.random.within(-160...24)), SimRecord.lengths.upperBound)
    }
}
