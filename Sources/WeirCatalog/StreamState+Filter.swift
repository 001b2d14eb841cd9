// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension ShardFilter {
    /// Whether a listing of `stream` shows `shard`.
    func includes(_ shard: ShardDescription, of stream: StreamState) -> Bool {
        switch self {
        case .fromTrimHorizon: true
        case .atLatest: shard.isOpen
        case .atTrimHorizon: Self.wasOpen(shard, at: stream.firstVisibleMillis)
        case .at(let time): Self.wasOpen(shard, at: max(time.millisecondsSince1970, stream.firstVisibleMillis))
        case .from(let time):
            if let closed = shard.closed {
                closed.atMillis >= max(time.millisecondsSince1970, stream.horizonMillis)
            } else {
                true
            }
        }
    }

    private static func wasOpen(_ shard: ShardDescription, at millis: Int64) -> Bool {
        guard shard.createdAtMillis <= millis else { return false }
        if let closed = shard.closed { return closed.atMillis > millis }
        return true
    }
}
