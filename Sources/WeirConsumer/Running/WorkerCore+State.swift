// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What is kept with leases.
extension WorkerCore {
    func leaseState(_ key: LeaseKey) async throws(WeirError) -> [UInt8] {
        try await self.ofLease(key) { try await $0.state(key.shard, counter: key.counter) }
    }

    func saveLeaseState(_ key: LeaseKey, _ state: [UInt8], replaces: UInt32) async throws(WeirError) {
        try await self.ofLease(key) {
            try await $0.saveState(key.shard, counter: key.counter, state, replaces: replaces)
        }
    }

    private func ofLease<R: Sendable>(
        _ key: LeaseKey, _ body: (any LeaseService) async throws -> R
    ) async throws(WeirError) -> R {
        do {
            return try await body(self.services.leases)
        } catch let error as WeirError {
            // The same as when reading says so: nothing may be done under the lease any more.
            if error.code == .leaseLost { self.handle(.readingRefused(key, error)) }
            throw error
        } catch {
            throw WeirError(.unavailable, "the call was cancelled")
        }
    }
}

extension Checkpointer {
    /// Of the lease: rises whenever it changes hands.
    package var counter: UInt64 { self.key.counter }

    /// What whoever held the lease before, or this worker, keeps with it. Throws `leaseLost`, and what the server
    /// cannot be reached for.
    package func state() async throws(WeirError) -> [UInt8] { try await self.core.leaseState(self.key) }

    /// Keeps `state` with the lease, at most `Limits.leaseStateBytesMax`, in the place of `replaced`. When it throws
    /// something else than `leaseLost`, `invalidArgument` (something else is kept there) or `limitExceeded`, it may
    /// have been stored, and the same can be asked again. Of a lease one at a time.
    package func saveState(_ state: [UInt8], replacing replaced: [UInt8]) async throws(WeirError) {
        try await self.core.saveLeaseState(self.key, state, replaces: LeaseState.checksum(replaced))
    }
}
