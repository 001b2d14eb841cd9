// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What an application does with the records of one shard, for as long as its worker holds the lease. There is one
/// instance a lease, and one call at a time: an actor, or a class whose state is guarded.
///
/// The calls in their order: `initialize`; `processRecords` as often as there are records; then one of `leaseLost`,
/// `shardEnded`, `shutdownRequested`. A processor that fails for good (see `ProcessorRetry`) is not called again.
///
/// A processor may take as long as it likes, but it must not block its thread while it waits: the worker's heartbeats
/// need one of the few threads that all tasks of the process share.
public protocol RecordProcessor: Sendable {
    /// Before anything else. `checkpoint`: up to where the shard has been processed.
    func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) async throws

    /// The same, and what a processor is called with; the default is the one above.
    func initialize(
        _ shard: ShardNumber, from checkpoint: LeaseCheckpoint, checkpointer: Checkpointer
    ) async throws

    /// When it throws, the records that are not checkpointed yet are given again, as the retry policy says.
    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws

    /// Another worker has the shard, or the server cannot be heard. Checkpoints are refused from now on. A call of
    /// `processRecords` that was under way has had its task cancelled and has returned before.
    func leaseLost() async

    /// All records of a closed shard were given. Must checkpoint when checkpoints are manual: the shards that come
    /// after this one begin only then.
    func shardEnded(checkpointer: Checkpointer) async throws

    /// The worker is being stopped, or the shard moves to another one. The last opportunity to checkpoint.
    func shutdownRequested(checkpointer: Checkpointer) async throws
}

extension RecordProcessor {
    public func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) async throws {}

    public func initialize(
        _ shard: ShardNumber, from checkpoint: LeaseCheckpoint, checkpointer: Checkpointer
    ) async throws {
        try await self.initialize(shard, from: checkpoint)
    }

    public func leaseLost() async {}

    /// For processors that are done with their records whenever `processRecords` returns.
    public func shardEnded(checkpointer: Checkpointer) async throws { try await checkpointer.checkpoint() }

    public func shutdownRequested(checkpointer: Checkpointer) async throws {}
}

/// Thrown by `processRecords` of a processor that has shut its worker down: what it was given is not processed, and
/// that is no failure.
package struct ProcessorStops: Error {
    package init() {}
}

/// Thrown by a processor that cannot go on with the shard, whatever it is given: no attempt is made again, and no
/// record counts as processed. Whoever gets the lease next begins at the checkpoint.
package struct ProcessorGivesUp: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Thrown by `processRecords` when earlier records, given and not checkpointed, may be to blame as well as those of the
/// call. Attempts are made as ever; when they are used up the shard stands still, because nobody knows which record to
/// put aside.
package struct FailureOfAnyRecord: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Stores how far a shard has been processed. Valid until the lease ends.
public struct Checkpointer: Sendable {
    public let shard: ShardNumber
    let key: LeaseKey
    let core: WorkerCore

    init(_ key: LeaseKey, _ core: WorkerCore) {
        self.shard = key.shard
        self.key = key
        self.core = core
    }

    /// Everything that was given to the processor, the records of the present call included, has been processed; in
    /// `shardEnded` the whole shard. Returns when that is stored, at once when it already is.
    ///
    /// Throws `leaseLost`, which says whose the lease is where the server knows, `limitExceeded` when 1,024 calls wait
    /// already, and what the server cannot be reached for.
    public func checkpoint() async throws { try await self.core.checkpoint(self.key, nil) }

    /// Everything up to this record has been processed. Throws as the other one, and `invalidArgument` for a record of
    /// another shard, one that was not delivered yet, or one before the last checkpoint.
    public func checkpoint(at record: UserRecord) async throws {
        try await self.checkpoint(at: record.position)
    }

    /// Everything up to this record, or to a user record in it counted from 0, has been processed.
    public func checkpoint(at number: SequenceNumber, subSequence: UInt64? = nil) async throws {
        try await self.checkpoint(at: .sequenceNumber(number, subSequence: subSequence))
    }

    private func checkpoint(at position: LeaseCheckpoint) async throws {
        if case .sequenceNumber(let number, _) = position, number.shard != self.shard {
            throw WeirError(
                .invalidArgument, "a checkpoint of \(self.shard) cannot be at \(number), which is of \(number.shard)")
        }
        try await self.core.checkpoint(self.key, position)
    }

    /// The highest checkpoint that was asked for: what lies behind it has to be processed. `nil`: the lease has ended.
    package var reached: LeaseCheckpoint? { self.core.progress(self.key)?.asked }

    /// The same as `checkpoint()` without waiting for it. When it fails the next one has to do.
    package func checkpointSoon() { self.core.checkpointSoon(self.key, nil) }

    /// The same as `checkpoint(at:)` without waiting for it.
    package func checkpointSoon(at record: UserRecord) { self.core.checkpointSoon(self.key, record.position) }
}
