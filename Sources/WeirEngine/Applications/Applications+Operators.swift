// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// What operators ask of the lease table, and the registered consumers.
extension Applications {
    private func tell<Value: Sendable>(
        _ stream: StreamID, _ body: (inout State, LogCore, Moment, StreamState) throws(WeirError) -> Value
    ) -> Told<Value> {
        self.with { state, log, moment in
            log.tell(of: stream) { found throws(WeirError) in try body(&state, log, moment, found) }
        }
    }

    /// Leases of an application behind `after`, in the order of their shards, and whether there are more.
    package func leases(
        of application: ApplicationRef, after: ShardNumber?, limit: Int
    ) -> Told<(leases: [LeaseDescription], hasMore: Bool)> {
        self.tell(application.stream) { state, log, moment, stream throws(WeirError) in
            let found = try log.application(application, moment)
            let shards = stream.shards(after: after, limit: limit + 1) { found.rows[$0] != nil }
            let handOvers = state.groups[application]?.handOvers
            let page = shards.prefix(limit).compactMap { shard in
                found.rows[shard.number].map { row in
                    Self.describe(row, shard, handOvers?[shard.number], log, stream, moment)
                }
            }
            return (page, shards.count > limit)
        }
    }

    private static func describe(
        _ row: LeaseRow, _ shard: ShardDescription, _ handOver: Group.HandOver?, _ log: LogCore,
        _ stream: StreamState, _ moment: Moment
    ) -> LeaseDescription {
        LeaseDescription(
            shard: shard.number, owner: row.owner?.worker, counter: row.counter, checkpoint: row.checkpoint,
            parents: shard.parents.filter { stream.shard($0) != nil }, ownerSwitchesSinceCheckpoint: row.ownerSwitches,
            handingOverTo: handOver?.to.worker, reset: row.reset,
            lag: log.lag(of: row, shard, in: stream.id, nowMillis: moment.wallMillis))
    }

    /// Rows whose lag is computed in one stay under the log's lock.
    private static let lagRows = 500

    /// How far the applications are behind is computed in many short stays under the log's lock, so that puts go on
    /// meanwhile.
    package func applications(of stream: StreamID) -> Told<[ApplicationDescription]> {
        let named = self.tell(stream) { _, log, _, stream in log.leases.applications(of: stream.id) }
        let nothing: [ApplicationDescription] = []
        guard case .success(let refs) = named.value, let first = named.watermark else {
            return named.map { _ in nothing }
        }
        var answer = named.map { _ in nothing }
        var applications: [ApplicationDescription] = []
        for ref in refs {
            var after: ShardNumber?
            var lag = LeaseDescription.Lag(records: 0, millis: 0)
            while true {
                let told = self.lag(of: ref, after)
                guard case .success(let found) = told.value else { return told.map { _ in nothing } }
                guard told.watermark?.isInStep(with: first) ?? false else { return Self.interrupted }
                guard let found else { break }
                lag = .init(records: lag.records + found.lag.records, millis: max(lag.millis, found.lag.millis))
                after = found.last
                if after == nil {
                    applications.append(found.description(ref.name, lag))
                    let all = applications
                    answer = told.map { _ in all }
                    break
                }
            }
        }
        return answer
    }

    private static let interrupted = Told<[ApplicationDescription]>(
        value: .failure(WeirError(.unavailable, "a write failed while the applications were listed; try again")),
        mark: .none, watermark: nil)

    private struct PartOfLag: Sendable {
        let lag: LeaseDescription.Lag
        /// Where the next part begins; `nil`: this was the last.
        let last: ShardNumber?
        let createdAtMillis: Int64
        let workers: Int
        let leases: Int

        func description(_ name: ApplicationName, _ lag: LeaseDescription.Lag) -> ApplicationDescription {
            ApplicationDescription(
                name: name, createdAtMillis: self.createdAtMillis, workers: self.workers, leases: self.leases, lag: lag)
        }
    }

    /// `nil`: the application was deleted meanwhile.
    private func lag(of ref: ApplicationRef, _ after: ShardNumber?) -> Told<PartOfLag?> {
        self.tell(ref.stream) { state, log, moment, stream in
            guard let application = log.leases.application(ref) else { return nil }
            let shards = stream.shards(after: after, limit: Self.lagRows) { application.rows[$0] != nil }
            var sum = LeaseDescription.Lag(records: 0, millis: 0)
            for shard in shards {
                guard let row = application.rows[shard.number] else { continue }
                let lag = log.lag(of: row, shard, in: stream.id, nowMillis: moment.wallMillis)
                sum = .init(records: sum.records + lag.records, millis: max(sum.millis, lag.millis))
            }
            return PartOfLag(
                lag: sum, last: shards.count < Self.lagRows ? nil : shards.last?.number,
                createdAtMillis: application.createdAtMillis, workers: state.groups[ref]?.joinedCount ?? 0,
                leases: application.rows.count)
        }
    }

    /// A reset of all leases is drawn up beside the log, so that puts go on meanwhile, and comes to be in one piece.
    package func reset(_ application: ApplicationRef, _ order: ResetOrder) -> Told<[LeaseReset]> {
        let nothing: [LeaseReset] = []
        for _ in 0..<Self.draftsMax {
            let begun = self.tell(application.stream) { state, log, moment, _ throws(WeirError) in
                try state.draftToReset(application, by: order, log, moment)
            }
            guard case .success(let found) = begun.value else { return begun.map { _ in nothing } }
            guard let found else {
                return self.tell(application.stream) { state, log, moment, _ throws(WeirError) in
                    try state.reset(application, order, log, moment)
                }
            }
            let drawn = self.drawUp(found)
            let told = self.tell(application.stream) { state, log, moment, _ throws(WeirError) in
                try state.commit(drawn, isDryRun: order.isDryRun, log, moment)
            }
            if case .success(nil) = told.value { continue }
            return told.map { drawn.resets(changed: $0 ?? []) }
        }
        return Told(value: .failure(Self.neverStill), mark: .none, watermark: nil)
    }

    package func delete(_ application: ApplicationRef, isForced: Bool) -> Told<Void> {
        self.tell(application.stream) { state, log, moment, _ throws(WeirError) in
            try state.delete(application, isForced: isForced, log, moment)
        }
    }

    // MARK: Registered consumers

    /// When it was registered, in milliseconds since 1970.
    package func register(_ consumer: ConsumerName, of stream: StreamID) -> Told<Int64> {
        self.tell(stream) { _, log, moment, stream throws(WeirError) in
            try log.submit(.registerConsumer(stream.id, consumer), nowMillis: moment.wallMillis)
            let registered = log.leases.consumers(of: stream.id).first { $0.name == consumer }
            return registered?.createdAtMillis ?? moment.wallMillis
        }
    }

    package func deregister(_ consumer: ConsumerName, of stream: StreamID) -> Told<Void> {
        self.tell(stream) { _, log, moment, stream throws(WeirError) in
            try log.submit(.deregisterConsumer(stream.id, consumer), nowMillis: moment.wallMillis)
        }
    }

    package func consumers(of stream: StreamID) -> Told<[ConsumerDescription]> {
        self.tell(stream) { _, log, _, stream throws(WeirError) in
            log.leases.consumers(of: stream.id).map {
                ConsumerDescription(name: $0.name, createdAtMillis: $0.createdAtMillis)
            }
        }
    }
}
