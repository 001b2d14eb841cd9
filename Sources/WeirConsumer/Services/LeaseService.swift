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
    func handOver(_ shard: ShardNumber, counter: UInt64) async throws
    func leave() async throws
}
