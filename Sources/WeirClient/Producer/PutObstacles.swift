// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a producer has to tell beside the results of records.
public enum ProducerNotice: Hashable, Sendable {
    /// For a second no record was acknowledged, and not because a rate is used up, which passes by itself: the server
    /// refuses records for another reason, or connections end before it has answered. The error says which, with the
    /// server's sentence. The records are tried again until `ProducerConfiguration.progressTimeout`.
    case heldBack(WeirError)
    /// What was held back is stored again.
    case goesOn
}

/// What keeps records from being acknowledged: since when, and why, for each lane and for all together. No clock.
///
/// Only an acknowledged record is progress. Neither a connection that greets, nor an answer that refuses, nor a list of
/// shards takes an obstacle away. Throttling is none: a rate gives records a place soon, whoever waits, so the time for
/// which the server puts a lane off by its rate does not count.
struct PutObstacles {
    /// What has stood for so long is told.
    static let tellAfterNanos: UInt64 = 1_000_000_000

    enum Cause: Hashable {
        /// The server does not take the records.
        case refused(WeirError)
        /// So many connections have ended before the answer; the error is that of the last one.
        case lost(WeirError, times: Int)
    }

    struct Obstacle: Hashable {
        /// When something was tried in vain for the first time since the last acknowledgement, in nanoseconds.
        fileprivate(set) var since: UInt64
        fileprivate(set) var cause: Cause

        /// One connection that ends is no news: whether the next one can be made is told in another place.
        fileprivate var isTold: Bool {
            switch cause {
            case .refused: true
            case .lost(_, let times): times > 1
            }
        }

        /// Why records are held back.
        var error: WeirError {
            switch cause {
            case .refused(let error): error
            case .lost(let error, let times):
                WeirError(
                    .unavailable,
                    "\(times == 1 ? "a connection" : "\(times) connections") ended before puts were answered: "
                        + error.message, verdict: .init(maybeStored: false, retry: .after(millis: 100)))
            }
        }

        /// Why records fail that have waited too long.
        func failure(now: UInt64) -> WeirError {
            let millis = (now - min(now, self.since)) / 1_000_000
            let what = if case .refused = cause { "nothing was stored" } else { "nothing was acknowledged" }
            let error = self.error
            return WeirError(
                error.code, "\(error.message); \(what) for \(millis) ms", verdict: error.verdict)
        }
    }

    /// By the position of the lane.
    private var lanes: [Int: Obstacle] = [:]
    /// Since something was tried in vain while no lane had anything acknowledged.
    private(set) var all: Obstacle?
    /// What the notices have named since records were held back: each reason is told once.
    private var told: Set<WeirError.Code> = []
    private var notices: [ProducerNotice] = []

    subscript(lane: Int) -> Obstacle? { self.lanes.isEmpty ? nil : self.lanes[lane] }

    /// The lanes with an obstacle, in no order.
    var positions: some Collection<Int> { self.lanes.keys }

    // MARK: What comes about

    /// Records of the lane, or with `nil` nobody's in particular, were refused for another reason than their rate.
    mutating func refused(_ lane: Int?, _ error: WeirError, now: UInt64) {
        let fresh = Obstacle(since: now, cause: .refused(error))
        if let lane { self.lanes[lane, default: fresh].cause = .refused(error) }
        self.all = self.all ?? fresh
        self.all?.cause = .refused(error)
        self.tellNews(error)
    }

    /// The connection ended while records waited, those of `lanes` for their answers.
    mutating func lost(_ lanes: some Sequence<Int>, _ error: WeirError, now: UInt64) {
        for lane in lanes { self.lanes[lane] = Self.lostOnceMore(self.lanes[lane], error, now: now) }
        let all = Self.lostOnceMore(self.all, error, now: now)
        self.all = all
        if all.isTold { self.tellNews(all.error) }
    }

    private static func lostOnceMore(_ before: Obstacle?, _ error: WeirError, now: UInt64) -> Obstacle {
        var times = 1
        if case .lost(_, let before) = before?.cause { times += before }
        return Obstacle(since: before?.since ?? now, cause: .lost(error, times: times))
    }

    /// A lane is put off by its rate, from one time to another.
    mutating func throttled(_ lane: Int, from: UInt64, through: UInt64) {
        guard through > from else { return }
        self.lanes[lane]?.since += through - from
        if let all { self.all?.since = max(all.since, through) }
    }

    /// A record of the lane is acknowledged.
    mutating func stored(_ lane: Int) {
        guard self.all != nil || !self.lanes.isEmpty || !self.told.isEmpty else { return }
        self.all = nil
        self.lanes[lane] = nil
        guard self.lanes.isEmpty, !self.told.isEmpty else { return }
        self.told = []
        self.notices.append(.goesOn)
    }

    /// The lanes have other positions now, those without one are gone.
    mutating func move(_ position: (Int) -> Int?) {
        guard !self.lanes.isEmpty else { return }
        var moved: [Int: Obstacle] = [:]
        for (lane, obstacle) in self.lanes { if let lane = position(lane) { moved[lane] = obstacle } }
        self.lanes = moved
    }

    // MARK: Telling

    /// What is to be told, if it has stood long enough.
    private var oldest: Obstacle? {
        guard self.told.isEmpty else { return nil }
        var oldest = self.all.flatMap { $0.isTold ? $0 : nil }
        for obstacle in self.lanes.values where obstacle.isTold && obstacle.since < oldest?.since ?? .max {
            oldest = obstacle
        }
        return oldest
    }

    /// When `tell(now:)` wants to be called, while records wait.
    var tellAt: UInt64? { self.oldest.map { $0.since + Self.tellAfterNanos } }

    mutating func tell(now: UInt64) {
        guard let oldest, oldest.since + Self.tellAfterNanos <= now else { return }
        self.tell(oldest.error)
    }

    private mutating func tellNews(_ error: WeirError) {
        if !self.told.isEmpty, !self.told.contains(error.code) { self.tell(error) }
    }

    private mutating func tell(_ error: WeirError) {
        self.told.insert(error.code)
        self.notices.append(.heldBack(error))
    }

    /// What there is to tell since the last call.
    mutating func takeNotices() -> [ProducerNotice] {
        guard !self.notices.isEmpty else { return [] }
        defer { self.notices = [] }
        return self.notices
    }
}
