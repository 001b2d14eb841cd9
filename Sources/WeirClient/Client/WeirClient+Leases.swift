// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// What an operator asks about applications and their leases. Calls throw `applicationNotFound`, and `streamNotFound`
/// or `streamDeleted`.
extension WeirClient {
    /// All rows of an application's lease table in the order of their shards. A table that changes meanwhile can show
    /// rows of different moments.
    public func leases(
        _ stream: StreamID, application: ApplicationName, timeout: Duration? = nil
    ) async throws -> [LeaseDescription] {
        var leases: [LeaseDescription] = []
        while true {
            let request = ListLeases(
                stream: stream, application: SentName(application), after: leases.last?.shard)
            let page = try await self.call(request, timeout: timeout, isRepeatable: true)
            for lease in page.leases {
                // Otherwise there might be no end of pages.
                if let last = leases.last, lease.shard <= last.shard {
                    throw WeirError(
                        .malformedRequest,
                        "the server does not keep to the protocol: the lease of \(lease.shard) behind that of "
                            + "\(last.shard)")
                }
                leases.append(lease)
            }
            guard page.hasMore, !page.leases.isEmpty else { return leases }
        }
    }

    /// Sends the checkpoints of an application, or of one shard of it, elsewhere, and tells what was done to each row
    /// (to the first 40,000 and how many there are, of a larger application; `leases` tells how all are).
    /// `reason`, 1 to 256 bytes, stays in the rows. Throws `resourceInUse` while workers hold the leases, unless
    /// forced; then they lose them. A dry run tells what would be done. Not repeated when the connection breaks:
    /// whether it was done is then unknown (`maybeStored`).
    @discardableResult
    public func resetLeases(
        _ stream: StreamID, application: ApplicationName, shard: ShardNumber? = nil, to target: ResetTarget,
        reason: String, isForced: Bool = false, isDryRun: Bool = false, timeout: Duration? = nil
    ) async throws -> LeaseResets {
        let request = ResetLeases(
            stream: stream, application: SentName(application), shard: shard, target: target, isForced: isForced,
            isDryRun: isDryRun, reason: reason)
        let answer = try await self.call(request, timeout: timeout, isRepeatable: isDryRun)
        return LeaseResets(leases: answer.leases, count: answer.count ?? answer.leases.count)
    }

    /// The applications of a stream in the order of their names.
    public func applications(_ stream: StreamID, timeout: Duration? = nil) async throws -> [ApplicationDescription] {
        try await self.call(ListApplications(stream: stream), timeout: timeout, isRepeatable: true).applications
    }

    /// Forgets an application with all its checkpoints. Throws `resourceInUse` while workers hold leases, unless
    /// forced.
    public func deleteApplication(
        _ stream: StreamID, _ application: ApplicationName, isForced: Bool = false, timeout: Duration? = nil
    ) async throws {
        let request = DeleteApplication(
            stream: stream, application: SentName(application), isForced: isForced)
        _ = try await self.call(request, timeout: timeout, isRepeatable: false)
    }
}
