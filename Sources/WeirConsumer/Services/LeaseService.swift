// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The server's lease table, as one worker of one application sees it. Calls throw `WeirError`, and end when their task
/// is cancelled.
package protocol LeaseService: Sendable {
    /// Throws `resourceInUse` while the id is alive in another incarnation.
    func join(sessionTimeoutMillis: Int, from: StreamStart) async throws -> Assignment
    /// Answered when something is new, or after `wait`. Throws `notJoined`.
    func heartbeat(
        seen version: UInt64, wait: Duration, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]
    ) async throws -> Assignment
    /// Throws `leaseLost`, saying who owns it, and `invalidArgument`.
    func checkpoint(_ shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint) async throws
    /// Keeps `state` with the lease for whoever holds it next, in the place of what has the checksum `replaces`. Throws
    /// `leaseLost`, `invalidArgument` when something else is there, and `limitExceeded`.
    func saveState(_ shard: ShardNumber, counter: UInt64, _ state: [UInt8], replaces: UInt32) async throws
    /// What is kept with the lease. Throws `leaseLost`.
    func state(_ shard: ShardNumber, counter: UInt64) async throws -> [UInt8]
    func handOver(_ shard: ShardNumber, counter: UInt64) async throws
    func leave() async throws
}
