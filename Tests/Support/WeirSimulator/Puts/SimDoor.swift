// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirTestKit

/// What became of one record of a put.
enum Fate: Hashable {
    case stored(id: Int)
    case refused(WeirError.Code)
    case unknown
}

/// Puts through a lane as the doors of a node do it: gathers them, commits them together, and reads what became of each
/// record. Every outcome is told to the judge of histories.
struct SimDoor {
    let simulation: Simulation
    let lane: Lane

    /// `shard`: as the client framed it; `nil`: the server routes the records.
    typealias Group = (shard: ShardNumber?, records: [SimRecord])

    struct Put {
        let header: PutHeader
        let groups: [Group]
        var records: [SimRecord] { self.groups.flatMap(\.records) }
    }

    struct Outcome {
        let mark: Mark
        /// Of each record, in the order of the groups.
        let fates: [Fate]
    }

    /// `caller`: whose they are, known when they have been gathered.
    func put(_ puts: [Put], by caller: () -> LaneCaller) throws(Violation) -> [Outcome] {
        var memory: [UnsafeMutableRawBufferPointer] = []
        defer { for bytes in memory { bytes.deallocate() } }
        for (position, put) in puts.enumerated() {
            self.lane.puts.beginPut(
                put.header, correlation: UInt64(position), creditBytes: nil, recordCount: put.records.count,
                isRoutedByServer: put.groups[0].shard == nil)
            for group in put.groups {
                var builder = BatchBodyBuilder()
                for record in group.records { record.append(to: &builder) }
                let body = builder.finish()
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 16)
                copy.copyBytes(from: body)
                memory.append(copy)
                self.lane.puts.add(UnsafeRawBufferPointer(copy), for: group.shard)
            }
            self.lane.puts.endPut()
        }
        let isSettled = self.lane.commitPuts(of: caller())
        defer { self.lane.puts.removeAll() }
        var outcomes: [Outcome] = []
        for (position, put) in puts.enumerated() {
            let request = self.lane.puts.requests[position]
            let refusal: WeirError.Code? =
                if !isSettled {
                    .unavailable
                } else if request.failure >= 0 {
                    self.lane.puts.failures[request.failure].code
                } else {
                    nil
                }
            let fates: [Fate]
            if let refusal {
                for record in put.records { self.simulation.node.checker.refused(record) }
                fates = put.records.map { _ in .refused(refusal) }
            } else {
                fates = try self.fates(of: request, put)
            }
            outcomes.append(Outcome(mark: request.mark, fates: fates))
        }
        return outcomes
    }

    /// Reads the outcome of each record, as a door does.
    private func fates(of request: PutBatch.Request, _ put: Put) throws(Violation) -> [Fate] {
        let (records, entries) = (put.records, self.lane.puts.entries)
        var places: [Int] = []
        if request.isRoutedByServer {
            for position in 0..<records.count {
                let entry = Int(self.lane.puts.recordEntries[request.firstRecordEntry + position])
                places.append(request.entries.lowerBound + entry)
            }
        } else {
            for entry in request.entries { places += [Int](repeating: entry, count: Int(entries[entry].count)) }
        }
        guard places.count == records.count else {
            throw Violation("a put of \(records.count) records has outcomes for \(places.count)")
        }
        var taken: [Int: UInt64] = [:]
        var fates: [Fate] = []
        for (record, place) in zip(records, places) {
            let entry = entries[place]
            switch entry.outcome {
            case .refused(let code, _):
                self.simulation.node.checker.refused(record)
                fates.append(.refused(code))
            case .stored(let position):
                let ref = ShardRef(stream: put.header.stream, shard: entry.shard)
                try self.admitted(record, to: ref, position, offset: taken[place, default: 0])
                taken[place, default: 0] += 1
                fates.append(.stored(id: record.id))
            }
        }
        return fates
    }

    /// A record was admitted, as its put was told. What was put last lies in the commit that is open, because a commit
    /// is closed only by what finds no room in it.
    private func admitted(
        _ record: SimRecord, to ref: ShardRef, _ position: PutEntry.Position, offset: UInt64
    ) throws(Violation) {
        let node = self.simulation.node
        guard let shard = node.core.shard(ref), shard.creationSecond == position.shardCreationSecond else {
            throw Violation("a put names \(ref), which the log does not know so")
        }
        try node.checker.admitted(
            [record], to: ref, creationSecond: shard.creationSecond, shardFirstIndex: shard.firstIndex,
            at: position.firstIndex + offset, arrivalMillis: position.arrivalMillis, bornMillis: node.truth,
            lsn: node.core.openLSN.rawValue)
        try self.simulation.admitted(to: ref)
    }
}
