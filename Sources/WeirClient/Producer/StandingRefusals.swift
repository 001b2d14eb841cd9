// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a producer has to tell beside the results of records.
public enum ProducerNotice: Hashable, Sendable {
    /// The server has refused records for a second, and not because a rate is used up, which passes by itself: it takes
    /// time or an operator. The error has the server's sentence. The records are tried again until
    /// `ProducerConfiguration.progressTimeout`.
    case heldBack(WeirError)
    /// What was refused is stored again.
    case goesOn
}

/// The refusals of a producer that are no throttling: since when nothing of a shard was stored, and why. No clock.
///
/// Throttling is paced: a rate gives records a place soon, whoever waits. What *stands*, such as a full log, a disk
/// that fails, or memory that is used up, may stand for ever, and only what is stored shows that it does not.
struct StandingRefusals {
    /// What has stood for so long is told.
    static let tellAfterNanos: UInt64 = 1_000_000_000

    struct Refusal: Hashable {
        let since: UInt64
        var error: WeirError
    }

    private var shards: [ShardNumber: Refusal] = [:]
    /// What the last notice named; `nil` when there is nothing to take back.
    private var told: WeirError.Code?
    private var notices: [ProducerNotice] = []

    static func isStanding(_ code: WeirError.Code, _ verdict: WeirError.Verdict) -> Bool {
        guard case .after = verdict.retry else { return false }
        switch code {
        // A rate; the client's own credit; the order of what was refused for another reason.
        case .throughputExceeded, .creditExceeded, .behind: return false
        default: return true
        }
    }

    subscript(shard: ShardNumber) -> Refusal? { self.shards.isEmpty ? nil : self.shards[shard] }

    mutating func refused(_ shard: ShardNumber, _ error: WeirError, now: UInt64) {
        self.shards[shard, default: Refusal(since: now, error: error)].error = error
        if let told, told != error.code { self.tell(error) }
    }

    mutating func stored(_ shard: ShardNumber) {
        guard !self.shards.isEmpty, self.shards.removeValue(forKey: shard) != nil, self.shards.isEmpty else { return }
        if self.told != nil { self.notices.append(.goesOn) }
        self.told = nil
    }

    /// Only these shards are put to now.
    mutating func keep(_ shards: some Sequence<ShardNumber>) {
        guard !self.shards.isEmpty else { return }
        let kept = Set(shards)
        self.shards = self.shards.filter { kept.contains($0.key) }
    }

    /// When `tell(now:)` wants to be called.
    var tellAt: UInt64? {
        guard self.told == nil, let first = self.shards.values.lazy.map(\.since).min() else { return nil }
        return first + Self.tellAfterNanos
    }

    mutating func tell(now: UInt64) {
        guard let tellAt, tellAt <= now, let oldest = self.shards.values.min(by: { $0.since < $1.since }) else {
            return
        }
        self.tell(oldest.error)
    }

    private mutating func tell(_ error: WeirError) {
        self.told = error.code
        self.notices.append(.heldBack(error))
    }

    /// What there is to tell since the last call.
    mutating func takeNotices() -> [ProducerNotice] {
        guard !self.notices.isEmpty else { return [] }
        defer { self.notices = [] }
        return self.notices
    }
}
