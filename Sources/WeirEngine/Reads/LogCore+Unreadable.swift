// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

extension LogCore {
    /// For a refusal: what the catalog says waits for it; that the log cannot be asked now is told at once.
    package var refusalMark: Mark { self.unavailable() == nil ? self.catalogMark : .none }

    /// Why a shard cannot be read; `nil` when it can.
    package func unreadable(_ shard: ShardRef) -> WeirError? {
        if let error = self.unavailable() { return error }
        guard let stream = self.catalog.stream(shard.stream) else { return self.missing(shard.stream) }
        guard stream.shard(shard.shard) != nil else {
            return WeirError(.shardNotFound, "stream '\(stream.name)' has no \(shard.shard), or it has expired")
        }
        return nil
    }

    /// Why a shard cannot be read from an index on.
    package func unreadable(_ shard: ShardRef, from index: UInt64) -> WeirError? {
        if let error = self.unreadable(shard) { return error }
        guard let state = self.shard(shard) else { return nil }
        do {
            try self.check(index, isWithin: state, "index \(index)")
            return nil
        } catch {
            return error
        }
    }
}
