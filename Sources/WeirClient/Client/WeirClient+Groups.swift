// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// A worker of an application of a stream.
package struct GroupMember: Hashable, Sendable {
    package let stream: StreamID
    package let application: ApplicationName
    package let owner: LeaseOwner

    package init(stream: StreamID, application: ApplicationName, owner: LeaseOwner) {
        self.stream = stream
        self.application = application
        self.owner = owner
    }

    fileprivate var onTheWire: Member {
        Member(stream: self.stream, application: self.application, owner: self.owner)
    }
}

/// What a worker asks of the server. `timeout` is `callTimeout` when it is absent.
extension WeirClient {
    /// Makes the worker a member, or resumes its membership. Waits up to `timeout` while its id is alive under another
    /// incarnation, then throws `resourceInUse`. The assignment names all leases.
    package func joinGroup(
        _ member: GroupMember, sessionTimeoutMillis: Int, from: StreamStart, timeout: Duration? = nil
    ) async throws -> Assignment {
        let request = JoinGroup(
            member: member.onTheWire, sessionTimeoutMillis: UInt32(clamping: sessionTimeoutMillis), from: from)
        return try await self.call(request, timeout: timeout, isRepeatable: true).assignment
    }

    /// Returns when the worker's leases are others than those of `version`, or after `wait` (at most 60 s) without
    /// leases. Asks once and repeats nothing: how long to go on is the worker's to judge. Throws `timedOut` when
    /// nothing is heard for `timeout` beyond the wait, and `notJoined`.
    package func heartbeat(
        _ member: GroupMember, seen version: UInt64, wait: Duration,
        measured: [(shard: ShardNumber, bytesPerSecond: UInt64)] = [], timeout: Duration? = nil
    ) async throws -> Assignment {
        let deadline = self.deadline(wait + (timeout ?? self.configuration.callTimeout))
        let request = Heartbeat(
            member: member.onTheWire, seenVersion: version, waitMillis: UInt32(clamping: wait.nanos / 1_000_000),
            measured: measured.map { .init(shard: $0.shard, bytesPerSecond: $0.bytesPerSecond) })
        return try await self.controlConnection().call(request, deadline: deadline).assignment
    }

    /// Throws `leaseLost`, which names who holds the lease now, and `invalidArgument` for a checkpoint that lies before
    /// the one that is there, or beyond the shard. May be sent again when nobody knows what became of it, so of one
    /// shard only one at a time.
    package func checkpoint(
        _ member: GroupMember, shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint,
        timeout: Duration? = nil
    ) async throws {
        let request = SaveCheckpoint(
            member: member.onTheWire, shard: shard, counter: counter, checkpoint: checkpoint)
        _ = try await self.call(request, timeout: timeout, isRepeatable: true)
    }

    /// Keeps `state` with the lease, in the place of what has the checksum `replaces` (`LeaseState.checksum`), for
    /// whoever holds it now or next; empty: nothing. Throws `leaseLost`, `invalidArgument` when something else is kept
    /// there by now, and `limitExceeded` above `Limits.leaseStateBytesMax`. May be sent again when nobody knows
    /// what became of it, so of one shard only one at a time.
    package func saveLeaseState(
        _ member: GroupMember, shard: ShardNumber, counter: UInt64, _ state: [UInt8], replaces: UInt32,
        timeout: Duration? = nil
    ) async throws {
        let request = SaveLeaseState(
            member: member.onTheWire, shard: shard, counter: counter, replaces: replaces, state: state)
        _ = try await self.call(request, timeout: timeout, isRepeatable: true)
    }

    /// What is kept with a lease that the worker holds. Throws `leaseLost`.
    package func leaseState(
        _ member: GroupMember, shard: ShardNumber, counter: UInt64, timeout: Duration? = nil
    ) async throws -> [UInt8] {
        let request = ReadLeaseState(member: member.onTheWire, shard: shard, counter: counter)
        return try await self.call(request, timeout: timeout, isRepeatable: true).state
    }

    /// Gives a lease back. Throws `leaseLost` when the worker does not hold it: also when an earlier attempt of the
    /// same call was carried out and its answer lost.
    package func handOver(
        _ member: GroupMember, shard: ShardNumber, counter: UInt64, timeout: Duration? = nil
    ) async throws {
        let request = HandOver(member: member.onTheWire, shard: shard, counter: counter)
        _ = try await self.call(request, timeout: timeout, isRepeatable: true)
    }

    /// Gives all leases back and ends the membership.
    package func leaveGroup(_ member: GroupMember, timeout: Duration? = nil) async throws {
        _ = try await self.call(LeaveGroup(member: member.onTheWire), timeout: timeout, isRepeatable: true)
    }
}
