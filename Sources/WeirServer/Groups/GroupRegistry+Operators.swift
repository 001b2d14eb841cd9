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

    func applications(_ request: ListApplications) -> Told<ListApplicationsAnswer> {
        self.tell(request.stream) { state, log, moment, stream throws(WeirError) in
            ListApplicationsAnswer(
                applications: log.leases.applications(of: stream.id).compactMap { ref in
                    guard let application = log.leases.application(ref) else { return nil }
                    var records: UInt64 = 0
                    var millis: Int64 = 0
                    for (number, row) in application.rows {
                        guard let shard = stream.shard(number) else { continue }
                        let lag = log.lag(of: row, shard, in: stream.id, nowMillis: moment.wallMillis)
                        records += lag.records
                        millis = max(millis, lag.millis)
                    }
                    return ApplicationDescription(
                        name: ref.name, createdAtMillis: application.createdAtMillis,
                        workers: state.groups[ref]?.joinedCount ?? 0, leases: application.rows.count,
                        lag: LeaseDescription.Lag(records: records, millis: millis))
                })
        }
    }

    func reset(_ request: ResetLeases) -> Told<ResetLeasesAnswer> {
        self.tell(request.stream) { state, log, moment, stream throws(WeirError) in
            let ref = ApplicationRef(stream: stream.id, name: try request.applicationName())
            let reset = State.Reset(
                shard: request.shard, target: request.target, isForced: request.isForced, isDryRun: request.isDryRun,
                reason: request.reason)
            return ResetLeasesAnswer(leases: try state.reset(ref, reset, log, moment))
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
