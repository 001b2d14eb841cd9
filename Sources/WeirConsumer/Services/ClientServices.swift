// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirIO
import WeirModel

extension Worker {
    /// `processors` makes the processor of a lease. Throws `invalidArgument` for a configuration outside its ranges.
    public convenience init(
        client: WeirClient, stream: StreamName, configuration: WorkerConfiguration,
        processors: @escaping @Sendable (ShardNumber) -> any RecordProcessor
    ) throws(WeirError) {
        if case .deadLetter(stream) = configuration.retry.exhausted {
            throw WeirError(
                .invalidArgument, "the dead letters of \(stream) cannot go to \(stream): they would be consumed again")
        }
        try self.init(
            configuration, connect: { try await WorkerServices(client, stream, configuration) },
            processors: processors)
    }
}

extension WorkerServices {
    /// Looks the streams up, so that a wrong name is told at once.
    init(_ client: WeirClient, _ stream: StreamName, _ configuration: WorkerConfiguration) async throws {
        let id = try await client.describeStream(stream).id
        var deadLetters: (any DeadLetters)?
        if case .deadLetter(let name) = configuration.retry.exhausted {
            deadLetters = DeadLetterProducer(producer: try await client.producer(name))
        }
        let owner = LeaseOwner(worker: configuration.worker, incarnation: systemDice())
        let member = GroupMember(stream: id, application: configuration.application, owner: owner)
        self.init(
            leases: ClientLeases(client: client, member: member),
            source: ClientSource(client: client, stream: id, configuration: configuration), deadLetters: deadLetters)
    }
}

/// The lease table over the wire.
private struct ClientLeases: LeaseService {
    let client: WeirClient
    let member: GroupMember

    func join(sessionTimeoutMillis: Int, from: StreamStart) async throws -> Assignment {
        // Half of what the worker gives it, so that it learns what is wrong, not only that it took too long.
        try await self.client.joinGroup(
            self.member, sessionTimeoutMillis: sessionTimeoutMillis, from: from,
            timeout: .milliseconds(sessionTimeoutMillis / 2))
    }

    func heartbeat(
        seen version: UInt64, wait: Duration, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]
    ) async throws -> Assignment {
        try await self.client.heartbeat(self.member, seen: version, wait: wait, measured: measured)
    }

    func checkpoint(_ shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint) async throws {
        try await self.client.checkpoint(self.member, shard: shard, counter: counter, checkpoint)
    }

    func saveState(_ shard: ShardNumber, counter: UInt64, _ state: [UInt8], replaces: UInt32) async throws {
        try await self.client.saveLeaseState(self.member, shard: shard, counter: counter, state, replaces: replaces)
    }

    func state(_ shard: ShardNumber, counter: UInt64) async throws -> [UInt8] {
        try await self.client.leaseState(self.member, shard: shard, counter: counter)
    }

    func handOver(_ shard: ShardNumber, counter: UInt64) async throws {
        try await self.client.handOver(self.member, shard: shard, counter: counter)
    }

    func leave() async throws { try await self.client.leaveGroup(self.member) }
}

/// Reads under a lease: subscriptions, which fetch ahead as far as their credit goes, or one read after the other.
private struct ClientSource: RecordSource {
    let client: WeirClient
    let stream: StreamID
    let configuration: WorkerConfiguration

    func reading(_ shard: ShardNumber, counter: UInt64, from position: LeaseCheckpoint) -> any LeaseReading {
        guard let start = position.readingStart else { return NothingToRead() }
        let lease = Reader.Lease(application: self.configuration.application, counter: counter)
        // A server that is away is waited for: whether the lease is still held is judged by the heartbeats.
        var reading = ReaderConfiguration(
            prefetchBytes: self.configuration.prefetchBytes, timeout: nil, retrieval: self.configuration.retrieval)
        if case .polled(let polling) = reading.retrieval { reading.prefetchBytes = polling.bytesPerRead }
        return ClientReading(
            self.client.records(
                self.stream, shard: shard, from: start,
                as: Reader(lease: lease, consumer: self.configuration.consumer), reading))
    }
}

private final class NothingToRead: LeaseReading {
    func next() async throws -> SourceBatch? { nil }
}

private final class ClientReading: LeaseReading {
    private var iterator: ShardRecords.Iterator

    init(_ records: ShardRecords) {
        self.iterator = records.makeAsyncIterator()
    }

    func next() async throws -> SourceBatch? {
        guard let batch = try await self.iterator.next() else { return nil }
        return SourceBatch(
            .inPlace(batch.recordsInPlace), missedRecords: batch.missedRecords,
            millisBehindLatest: batch.millisBehindLatest,
            isEndOfShard: batch.endOfShard != nil)
    }
}

private struct DeadLetterProducer: DeadLetters {
    let producer: Producer

    func put(key: String, data: [UInt8]) async throws {
        _ = try await self.producer.put(key: key, data: data)
    }

    func close() async { self.producer.cancel() }
}
