// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// What workers keep with their leases (docs/consumers.md, What is kept with a lease).
extension LeaseTable {
    func planState(
        _ ref: ApplicationRef, _ hold: LeaseHold, state: [UInt8], replaces: UInt32, _ around: LeaseSurroundings
    ) throws(WeirError) -> LeaseEvent? {
        _ = try self.existing(ref, around)
        let row = try self.held(ref, hold)
        guard state.count <= Limits.leaseStateBytesMax else {
            throw WeirError(
                .limitExceeded,
                "\(state.count) bytes cannot be kept with the lease of \(hold.shard): at most "
                    + "\(Limits.leaseStateBytesMax) can")
        }
        // Told once more, because nobody heard that it was stored.
        guard state != row.state else { return nil }
        guard LeaseState.checksum(row.state) == replaces else {
            throw WeirError(
                .invalidArgument,
                "what is kept with the lease of \(hold.shard) is not what this is to replace: it was changed meanwhile")
        }
        let bytes = self.stateBytes + state.count - row.state.count
        // What is kept already may shrink, whatever the limit.
        guard bytes <= Limits.leaseStateBytesOfNodeMax || state.count <= row.state.count else {
            throw WeirError(
                .limitExceeded,
                "the node would keep \(bytes) bytes with its leases; \(Limits.leaseStateBytesOfNodeMax) are allowed",
                verdict: .init(maybeStored: false, retry: .after(millis: 1000)))
        }
        return .stateSaved(LeaseStateSaved(application: ref, shard: hold.shard, state: state))
    }

    /// What is kept with a lease, for the worker that holds it.
    package func state(
        _ ref: ApplicationRef, _ hold: LeaseHold, _ around: LeaseSurroundings
    ) throws(WeirError) -> [UInt8] {
        _ = try self.existing(ref, around)
        return try self.held(ref, hold).state
    }
}
