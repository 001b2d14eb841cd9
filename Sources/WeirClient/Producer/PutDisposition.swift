// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a producer does with records that were refused.
enum PutDisposition: Hashable, Sendable {
    /// Send them again, in order, not before so many milliseconds.
    case again(afterMillis: UInt32)
    /// Send them again by a newer shard map.
    case refreshMap
    /// They fail; others are not concerned.
    case fail
    /// Nothing can be put any more: all records fail.
    case stop
}

extension RetryPolicy {
    func disposition(
        _ code: WeirError.Code, _ verdict: WeirError.Verdict, unknown: ProducerConfiguration.UnknownOutcome
    ) -> PutDisposition {
        switch code {
        case .streamNotFound, .streamDeleted, .notAuthorized, .unsupportedVersion, .sessionFenced: return .stop
        case .behind: return .again(afterMillis: 0)
        // A shard that was closed and has expired since the map was made.
        case .wrongShard, .shardNotFound: return .refreshMap
        default: break
        }
        if verdict.maybeStored && unknown == .fail { return .fail }
        switch verdict.retry {
        case .after(let pause): return .again(afterMillis: UInt32(clamping: pause.millis))
        case .refreshShardMap: return .refreshMap
        case .never: return .fail
        }
    }
}
