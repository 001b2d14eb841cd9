// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension ShardFilter {
    /// Whether a listing of `stream` shows `shard`.
    func includes(_ shard: ShardDescription, of stream: StreamState) -> Bool {
        switch self {
        case .fromTrimHorizon: true
        case .atLatest: shard.isOpen
        case .atTrimHorizon: Self.wasOpen(shard, at: stream.firstVisibleMillis)
        case .atTimestamp(let millis): Self.wasOpen(shard, at: max(millis, stream.firstVisibleMillis))
        case .fromTimestamp(let millis):
            if let closed = shard.closed { closed.atMillis >= max(millis, stream.horizonMillis) } else { true }
        }
    }

    private static func wasOpen(_ shard: ShardDescription, at millis: Int64) -> Bool {
        guard shard.createdAtMillis <= millis else { return false }
        if let closed = shard.closed { return closed.atMillis > millis }
        return true
    }
}
