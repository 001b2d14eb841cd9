// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// How far one shard has been read, and what to do when its subscription ends. Pure.
struct ShardCursor {
    /// Where the next subscription begins.
    private(set) var start: ReadStart
    /// Reading ends before this index.
    let limit: UInt64
    /// Bytes of batches that may be under way.
    let creditBytes: Int
    /// Attempts in a row that brought nothing.
    private(set) var failures = 0
    /// When to subscribe, or to ask, again, in nanoseconds; `nil` while there is a subscription, or a read under way.
    var retryAt: UInt64?
    /// When it was last asked for records.
    private var askedAt: UInt64 = 0
    /// When it was last heard of, or asked after.
    var lastHeard: UInt64
    /// Whether it is being asked whether its records are still there.
    var isProbing = false
    private var consumedBytes = 0

    init(start: ReadStart, limit: UInt64, creditBytes: Int, now: UInt64) {
        self.start = start
        self.limit = limit
        self.creditBytes = creditBytes
        self.retryAt = now
        self.lastHeard = now
    }

    /// The index that was reached; `nil` when nothing was heard yet.
    var position: UInt64? { if case .index(let index) = self.start { index } else { nil } }

    /// Whether it is subscribed, has an end to come to, and is not being asked after already.
    var mayBeProbed: Bool { self.retryAt == nil && self.limit < .max && !self.isProbing }

    var isAtLimit: Bool { (self.position ?? 0) >= self.limit }

    /// A batch was taken. Throws when it does not continue what came before.
    mutating func took(_ batch: RecordBatch, now: UInt64) throws(WeirError) {
        if let position, batch.firstIndex < position {
            throw WeirError(
                .malformedRequest,
                "the server does not keep to the protocol: index \(batch.firstIndex) of \(batch.shard) after "
                    + "\(position)")
        }
        self.start = .index(batch.nextIndex)
        self.failures = 0
        self.lastHeard = now
        self.consumedBytes += batch.batchBytes
    }

    /// Credit to give back now, in bytes; small amounts are gathered.
    mutating func takeGrant() -> Int? {
        guard self.consumedBytes * 2 >= self.creditBytes else { return nil }
        defer { self.consumedBytes = 0 }
        return self.consumedBytes
    }

    /// It is asked for records now.
    mutating func asks(now: UInt64) {
        self.retryAt = nil
        self.askedAt = now
    }

    /// A read was answered: the next one begins `idle` nanoseconds behind the beginning of this one.
    mutating func rests(_ idle: UInt64, now: UInt64) { self.retryAt = max(now, self.askedAt + idle) }

    enum Verdict: Equatable {
        /// Subscribe, or ask, again at `retryAt`.
        case again
        /// The same, and nothing is wrong: the shard's rates are used up.
        case throttled
        /// The shard has expired.
        case gone
        case fail(WeirError)
    }

    /// The subscription was refused or has ended.
    mutating func ended(_ error: WeirError, retry: RetryPolicy, now: UInt64, dice: UInt64) -> Verdict {
        self.consumedBytes = 0
        switch error.code {
        case .streamDeleted, .streamNotFound: return .fail(WeirError(.streamDeleted, error.message))
        case .shardNotFound: return .gone
        // Whatever its verdict: to read on would be to read what is another's.
        case .leaseLost: return .fail(error)
        case .throughputExceeded:
            guard case .again(let pause) = retry.decide(error, attempt: 1, isRepeatable: true, dice: dice) else {
                return .fail(error)
            }
            self.retryAt = now + pause
            return .throttled
        default: break
        }
        self.failures += 1
        switch retry.decide(error, attempt: self.failures, isRepeatable: true, dice: dice) {
        case .giveUp: return .fail(error)
        case .again(let pause):
            self.retryAt = now + pause
            return .again
        }
    }
}
