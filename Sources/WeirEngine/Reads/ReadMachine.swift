// SPDX-License-Identifier: Apache-2.0

/// How one read goes on: a request that is answered once, or a subscription to which records are pushed. No clock, no
/// I/O: its owner looks at the log and says what it saw.
///
/// A read looks, and then either gives what there is, waits for the shard, for a time or for the disk, or ends. The two
/// kinds differ in what they wait for and in what they tell.
package struct ReadMachine: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Answered once: with records, or with nothing when the deadline has come.
        case once(deadlineNanos: UInt64)
        /// Records are pushed as they come, as far as the caller's credit goes.
        case pushed(SubscriptionCredit)
    }

    package enum State: Hashable, Sendable {
        /// Looks when it is asked to go on.
        case waiting
        /// A reader thread is at work for it.
        case onDisk
        /// Waits for more credit.
        case wantsCredit
        /// Waits for the caller to read on.
        case wantsRoom
    }

    /// What a look at the log showed.
    package enum Sight: Hashable, Sendable {
        /// `isNews`: there are records, missing ones or the end of the shard. `isSure`: nothing can have come since.
        case found(nextIndex: UInt64, isNews: Bool, isSure: Bool)
        /// The records are not in memory.
        case needsDisk
        /// The log cannot be asked now; it may be after so many milliseconds, or never again.
        case unavailable(retryMillis: UInt32?)
        /// Reading is refused, and that may be told now, or a power cut could still undo the reason.
        case refused(mayTell: Bool)
        /// The rate is used up for so long.
        case throttled(nanos: UInt64)
    }

    package enum Action: Hashable, Sendable {
        /// Gives what was found. One that is answered once is over then; `delivered` follows for a pushed one.
        case deliver
        case readDisk
        /// Until the shard has something new, if `forShard`, or the time has come.
        case wait(forShard: Bool, untilNanos: UInt64?)
        /// Ends with the reason that the look gave.
        case refuse
    }

    /// How long an empty answer of a reader thread is believed: something may have come meanwhile.
    package static let secondLookNanos: UInt64 = 20_000_000
    /// How long a refusal that may not be told is left alone.
    package static let untoldNanos: UInt64 = 1_000_000

    package private(set) var kind: Kind
    package private(set) var state = State.waiting
    /// Of the next record.
    package private(set) var index: UInt64

    package init(_ kind: Kind, from index: UInt64) {
        self.kind = kind
        self.index = index
    }

    package var isPushed: Bool {
        if case .pushed = self.kind { true } else { false }
    }

    /// Whether it looks now. `hasRoom`: the caller reads what it is given.
    package mutating func mayLook(hasRoom: Bool) -> Bool {
        if self.state == .onDisk { return false }
        self.state = .waiting
        guard case .pushed(let credit) = self.kind else { return true }
        if !credit.mayPush {
            self.state = .wantsCredit
        } else if !hasRoom {
            self.state = .wantsRoom
        }
        return self.state == .waiting
    }

    /// What the look leads to. `mayWait`: the caller is not on its way out.
    package mutating func saw(_ sight: Sight, nowNanos now: UInt64, mayWait: Bool = true) -> Action {
        self.state = .waiting
        switch (self.kind, sight) {
        case (_, .needsDisk):
            self.state = .onDisk
            return .readDisk
        case (_, .found(_, isNews: true, _)): return .deliver
        case (.once(let deadline), .found(let next, _, let isSure)):
            guard now < deadline, mayWait else { return .deliver }
            self.index = next
            return .wait(
                forShard: true, untilNanos: isSure ? deadline : min(deadline, Self.later(now, Self.secondLookNanos)))
        case (.pushed, .found(let next, _, let isSure)):
            self.index = next
            return .wait(forShard: true, untilNanos: isSure ? nil : Self.later(now, Self.secondLookNanos))
        case (.once, .unavailable), (.once, .refused), (.once, .throttled), (.pushed, .unavailable(nil)),
            (.pushed, .refused(mayTell: true)):
            return .refuse
        // What was pushed is durable: the subscription lives on while the node recovers.
        case (.pushed, .unavailable(let millis?)):
            return .wait(forShard: false, untilNanos: Self.later(now, UInt64(max(1, millis)) * 1_000_000))
        case (.pushed, .refused): return .wait(forShard: false, untilNanos: Self.later(now, Self.untoldNanos))
        case (.pushed, .throttled(let nanos)): return .wait(forShard: false, untilNanos: Self.later(now, nanos))
        }
    }

    /// A debt may take longer to pay than time can tell.
    private static func later(_ now: UInt64, _ nanos: UInt64) -> UInt64 {
        let (sum, isTooMuch) = now.addingReportingOverflow(nanos)
        return isTooMuch ? .max : sum
    }

    /// A push went out.
    package mutating func delivered(nextIndex: UInt64, batchBytes: UInt32) {
        self.index = nextIndex
        guard case .pushed(var credit) = self.kind else { return }
        credit.take(batchBytes: batchBytes)
        self.kind = .pushed(credit)
    }

    /// The caller may be given more. Returns whether it waited for that.
    package mutating func grant(bytes: UInt32) -> Bool {
        guard case .pushed(var credit) = self.kind else { return false }
        credit.grant(bytes: bytes)
        self.kind = .pushed(credit)
        return self.state == .wantsCredit
    }
}
