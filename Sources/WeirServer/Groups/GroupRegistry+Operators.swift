// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// What operators ask of the lease table, and the registered consumers.
extension GroupRegistry {
    private func tell<Value: Sendable>(
        _ stream: StreamID, _ body: (inout State, LogCore, Moment, StreamState) throws(WeirError) -> Value
    ) -> Told<Value> {
        self.with { state, log, moment in
            log.tell(of: stream) { found throws(WeirError) in try body(&state, log, moment, found) }
        }
    }

    func leases(_ request: ListLeases) -> Told<ListLeasesAnswer> {
        self.tell(request.stream) { state, log, moment, stream throws(WeirError) in
            let ref = ApplicationRef(stream: stream.id, name: try request.applicationName())
            let application = try log.application(ref, moment)
            let limit = min(Int(request.limit), Wire.answerRowsMax)
            let shards = stream.shards(after: request.after, limit: limit + 1) { application.rows[$0] != nil }
            let page = shards.prefix(limit).compactMap { shard in
                application.rows[shard.number].map { row in
                    Self.describe(row, shard, state.groups[ref]?.handOvers[shard.number], log, stream, moment)
                }
            }
            return ListLeasesAnswer(leases: page, hasMore: shards.count > limit)
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
    func applications(_ request: ListApplications) -> Told<ListApplicationsAnswer> {
        let named = self.tell(request.stream) { _, log, _, stream in log.leases.applications(of: stream.id) }
        let nothing = ListApplicationsAnswer(applications: [])
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
                    answer = told.map { _ in ListApplicationsAnswer(applications: all) }
                    break
                }
            }
        }
        return answer
    }

    private static let interrupted = Told<ListApplicationsAnswer>(
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

    /// For a connection with these features.
    func reset(_ request: ResetLeases, features: UInt64) -> Told<ResetLeasesAnswer> {
        self.tell(request.stream) { state, log, moment, stream throws(WeirError) in
            let ref = ApplicationRef(stream: stream.id, name: try request.applicationName())
            let reset = State.Reset(
                shard: request.shard, target: request.target, isForced: request.isForced, isDryRun: request.isDryRun,
                reason: request.reason)
            return ResetLeasesAnswer(all: try state.reset(ref, reset, log, moment), features: features)
        }
    }

    func delete(_ request: DeleteApplication) -> Told<Empty> {
        self.tell(request.stream) { state, log, moment, stream throws(WeirError) in
            let ref = ApplicationRef(stream: stream.id, name: try request.applicationName())
            try state.delete(ref, isForced: request.isForced, log, moment)
            return Empty()
        }
    }

    // MARK: Registered consumers

    func register(_ request: RegisterConsumer) -> Told<RegisterConsumerAnswer> {
        self.tell(request.stream) { _, log, moment, stream throws(WeirError) in
            let name = try request.consumerName()
            try log.submit(.registerConsumer(stream.id, name), nowMillis: moment.wallMillis)
            let consumer = log.leases.consumers(of: stream.id).first { $0.name == name }
            return RegisterConsumerAnswer(createdAtMillis: consumer?.createdAtMillis ?? moment.wallMillis)
        }
    }

    func deregister(_ request: DeregisterConsumer) -> Told<Empty> {
        self.tell(request.stream) { _, log, moment, stream throws(WeirError) in
            try log.submit(
                .deregisterConsumer(stream.id, try request.consumerName()), nowMillis: moment.wallMillis)
            return Empty()
        }
    }

    func consumers(_ request: ListConsumers) -> Told<ListConsumersAnswer> {
        self.tell(request.stream) { _, log, _, stream throws(WeirError) in
            ListConsumersAnswer(
                consumers: log.leases.consumers(of: stream.id).map {
                    ConsumerDescription(name: $0.name, createdAtMillis: $0.createdAtMillis)
                })
        }
    }
}
