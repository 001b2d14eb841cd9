// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How often a producer connects. Pure.
///
/// Only an acknowledged record says that a connection is worth what it costs: until there is one, attempts are made
/// after pauses that grow, however politely the server greets.
struct ConnectPace {
    /// Since the last acknowledged record.
    private(set) var attempts = 0
    /// When the last attempt began, in nanoseconds.
    private var beganAt: UInt64 = 0

    mutating func begins(now: UInt64) {
        self.attempts += 1
        self.beganAt = now
    }

    mutating func stored() { self.attempts = 0 }

    /// When the next attempt may begin, in nanoseconds.
    func earliest(_ policy: RetryPolicy, dice: UInt64) -> UInt64 {
        self.attempts == 0 ? 0 : self.beganAt + policy.pauseNanos(attempt: self.attempts, dice: dice)
    }
}

/// How soon records of a lane that came back are tried again. Pure.
///
/// Mostly the server names the pause. Where it names none, they are tried again at once; but when the lane is then
/// refused once more in the same way, and nothing of it was stored, after pauses that grow.
struct RetryPace {
    /// Tries in a row that brought no stored record and no pause.
    private var fruitless = 0
    private var heard = Heard.nothing

    /// What came since the lane went on.
    private enum Heard {
        case nothing
        /// A refusal without a pause.
        case refusal
        /// A stored record, or a refusal with a pause.
        case pace
    }

    /// Whether the server refuses without a pause what it has just refused without a pause.
    var isFruitless: Bool { self.fruitless > 0 }

    /// The lane goes on.
    mutating func goesOn() {
        if case .refusal = self.heard { self.fruitless += 1 } else { self.fruitless = 0 }
        self.heard = .nothing
    }

    mutating func stored() {
        self.heard = .pace
        self.fruitless = 0
    }

    /// Returns the pause in nanoseconds for a refusal that names `millis`.
    mutating func refused(afterMillis millis: UInt32, _ policy: RetryPolicy) -> UInt64 {
        if millis > 0 {
            self.heard = .pace
            return UInt64(millis) * 1_000_000
        }
        if case .nothing = self.heard { self.heard = .refusal }
        return self.fruitless == 0 ? 0 : policy.pauseNanos(attempt: self.fruitless, dice: 0)
    }
}

/// How soon the shards are listed anew. Pure.
///
/// At once when the server has a newer map, as after a split; after pauses that grow when the same one comes time after
/// time, or when newer ones come and none brings an acknowledged record.
struct MapPace {
    /// Lists in a row that failed or brought nothing new.
    private var idle = 0
    /// Newer maps since a record was acknowledged.
    private var changes = 0
    /// The first map, and one that replaces it at once.
    private static let changesAtOnce = 2

    mutating func listed(isNewer: Bool) {
        self.idle = isNewer ? 0 : self.idle + 1
        if isNewer { self.changes += 1 }
    }

    mutating func failed() { self.idle += 1 }
    mutating func stored() { self.changes = 0 }

    /// In nanoseconds.
    func pause(_ policy: RetryPolicy) -> UInt64 {
        let attempt = max(self.idle, self.changes - Self.changesAtOnce)
        return attempt <= 0 ? 0 : policy.pauseNanos(attempt: attempt, dice: 0)
    }
}

/// For how long the server has said nothing while it was asked, over all connections. Pure.
///
/// A greeting is no answer, or a server that greets and then cuts the connection would live for ever by greeting. But
/// one that had answered, went away and is back has all its time again.
struct SilenceWatch {
    private enum State {
        /// Nothing is asked; before, silence had lasted so many nanoseconds.
        case paused(elapsed: UInt64)
        case running(since: UInt64)
    }

    private var state = State.paused(elapsed: 0)
    /// Whether the server has answered anything on this connection, or there was none before it.
    private var hasHeard = true
    /// Why the last connection ended, or could not be made, since something was heard.
    private(set) var reason: WeirError?

    /// Since when, in nanoseconds, as if it had never paused; `nil` when nothing is asked.
    var since: UInt64? {
        if case .running(let since) = state { since } else { nil }
    }

    /// Something is asked of the server.
    mutating func waits(now: UInt64) {
        if case .paused(let elapsed) = self.state { self.state = .running(since: now - min(now, elapsed)) }
    }

    /// Nothing is asked now.
    mutating func pauses(now: UInt64) {
        if case .running(let since) = self.state { self.state = .paused(elapsed: now - min(now, since)) }
    }

    /// Nobody waits, so the next who does waits from the beginning.
    mutating func ends() { self.state = .paused(elapsed: 0) }

    /// The server has answered something other than Hello.
    mutating func heard() {
        self.hasHeard = true
        self.reason = nil
        self.ends()
    }

    /// Hello was answered.
    mutating func greeted() {
        if self.hasHeard { self.ends() }
        self.hasHeard = false
    }

    mutating func failed(_ error: WeirError) { self.reason = error }
}
