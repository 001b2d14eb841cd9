// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

/// Reads of a drill: by the eyes of the judge, who knows at once what may be seen, and by a lane, which tells when it
/// may be told.
extension Drill {
    func read() throws(Violation) {
        guard let ref = self.anyShard() else { return }
        let end = self.core.shard(ref)?.durableEnd ?? 0
        let drawn = UInt64(self.random.below(Int(end) + 3))
        // One that is going has its end elsewhere.
        let index = self.core.shard(ref) == nil ? 0 : drawn
        let (maxBytes, maxRecords) = (self.random.pick([1, 500, 10_000, 1 << 20]), self.random.pick([1, 3, 10_000]))
        self.readByLane(ReadCall(shard: ref, maxRecords: maxRecords, maxBytes: maxBytes), from: index)
        guard index <= end else { return try self.readBeyondEnd(ref, from: index) }
        let result = try self.node.readOnce(ref, from: index, maxBytes: maxBytes, maxRecords: maxRecords)
        guard let result else { return }
        self.node.trace.note(
            "read \(ref) from \(index): \(result.firstIndex)..<\(result.nextIndex) of \(result.durableEnd), "
                + "\(result.missed) missed\(result.endOfShard == nil ? "" : ", its end")")
        guard result.recordCount > 0 || result.nextIndex >= result.durableEnd else {
            throw Violation("a reader of \(ref) gets nothing at \(result.nextIndex) of \(result.durableEnd)")
        }
        if self.node.breakage == .showsTooEarly, let shard = self.core.shard(ref) {
            try self.node.checker.toldEnd(shard.nextIndex, of: ref)
        }
        try self.judge(ref, children: result.endOfShard)
    }

    private func judge(_ ref: ShardRef, children: [ShardDescription]?) throws(Violation) {
        for child in children ?? []
        where self.node.told.shard(ShardRef(stream: ref.stream, shard: child.number)) != child {
            guard self.node.told.shard(ShardRef(stream: ref.stream, shard: child.number)) != nil else { continue }
            throw Violation("the end of \(ref) names \(child.number) in a state that is not durable")
        }
    }

    private func readByLane(_ call: ReadCall, from index: UInt64) {
        guard let (door, caller) = self.client.connection else { return }
        let due = self.simulation.nanos + UInt64(self.random.pick([0, 0, 50, 2000])) * 1_000_000
        door.lane.read(call, from: index, until: due, caller) { [unowned self] result in
            switch result {
            case .success(let found):
                door.lane.left(found)
                self.simulation.guarded { () throws(Violation) in _ = try self.node.judge(found) }
            case .failure(let error): self.judge(error, "a read of \(call.shard) from \(index)")
            }
        }
    }

    /// The stream may be gone, or its rate used up; nothing else is in the way of a reader.
    private func judge(_ error: WeirError, _ what: String) {
        switch error.code {
        case .streamDeleted, .streamNotFound, .shardNotFound, .throughputExceeded, .unavailable, .limitExceeded,
            .invalidArgument:
            break
        default:
            self.simulation.guarded { () throws(Violation) in throw Violation("\(what) is refused: \(error)") }
        }
    }

    private func readBeyondEnd(_ ref: ShardRef, from index: UInt64) throws(Violation) {
        let request = ReadRequest(shard: ref, fromIndex: index, maxRecords: 1, maxBytes: 1, nowMillis: self.node.now)
        guard case .success = self.node.readNow(request) else { return }
        throw Violation("a read of \(ref) begins at index \(index), beyond its end")
    }

    private func anyShard() -> ShardRef? {
        let streams =
            self.node.told.streams(after: nil, limit: .max).filter { $0.id != self.simulation.stream } + self.streams
        guard !streams.isEmpty else { return nil }
        let stream = self.random.pick(streams)
        return ShardRef(stream: stream.id, shard: self.random.pick(stream.shards.map(\.number)))
    }

    func resolve() throws(Violation) {
        guard let ref = self.anyShard(), let shard = self.node.told.shard(ref), self.core.shard(ref) != nil
        else { return }
        let node = self.node
        let age = Int64(self.random.below(Int(max(1, node.now - shard.createdAtMillis)) + 1000))
        let type = self.random.pick(
            [.latest, .trimHorizon, .atTimestamp(max(0, node.now - age))] as [ShardIteratorType])
        self.resolveByLane(type, in: ref)
        let faults = node.trouble.count
        switch node.resolveNow(type, in: ref, nowMillis: node.now) {
        case .success(let index): try self.judge(type, of: ref, resolvedTo: index)
        case .failure(let error):
            if node.trouble.count > faults || error.code == .streamDeleted { return }
            throw Violation("an iterator of \(ref) is refused: \(error)")
        }
    }

    private func judge(_ type: ShardIteratorType, of ref: ShardRef, resolvedTo index: UInt64) throws(Violation) {
        let node = self.node
        guard let stream = node.told.stream(ref.stream), let state = self.core.shard(ref) else { return }
        let visibleFrom = node.visibleFrom(stream)
        switch type {
        case .trimHorizon:
            try node.checker.soughtTime(0, of: ref, got: index, visibleFrom: visibleFrom, capped: stream.cappedPosition)
            // What expired, was trimmed or fell to a cap is missed by nobody who begins behind it.
            if let read = try node.readOnce(ref, from: index, maxBytes: 1), read.missed > 0 {
                throw Violation(
                    "a reader of \(ref) from the trim horizon is told that it missed \(read.missed) records")
            }
        case .start(.at(let time)):
            try node.checker.soughtTime(
                time.millisecondsSince1970, of: ref, got: index, visibleFrom: visibleFrom,
                capped: stream.cappedPosition)
            guard index <= state.durableEnd else { throw Violation("\(ref) has no index \(index) yet") }
        default: try node.checker.toldEnd(index, of: ref)
        }
    }

    private func resolveByLane(_ type: ShardIteratorType, in ref: ShardRef) {
        guard let (door, caller) = self.client.connection else { return }
        door.lane.resolve(type, in: ref, caller) { [unowned self] result in
            if case .failure(let error) = result { self.judge(error, "an iterator of \(ref)") }
        }
    }
}
