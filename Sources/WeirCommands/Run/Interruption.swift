// SPDX-License-Identifier: Apache-2.0

/// What a signal asks of the running command. No clock, no signals: they are told to it.
///
/// The first one asks the command to finish; when it has not done so in its time, or at the second one, it is asked to
/// give up, and then has a second for its last words. A third one, and the end of that second, end the program.
struct Interruption {
    enum Phase: Hashable {
        /// Nothing runs that could finish.
        case idle
        case running(Patience)
        /// The command was asked to finish; in nanoseconds, until when it may, if there is a bound.
        case finishing(until: UInt64?)
        /// It was asked to give up.
        case givingUp(until: UInt64)
    }

    /// How long a command may take to finish; `nil`: as long as it wants, it has a bound of its own.
    struct Patience: Hashable {
        var nanos: UInt64?
    }

    enum Step: Hashable {
        case nothing
        case finish
        case giveUp
        case exit(Int32)
    }

    static let lastWordsNanos: UInt64 = 1_000_000_000

    private(set) var phase = Phase.idle
    /// The status with which the program ends whatever the command says: it did not come to its end.
    private(set) var status: Int32?
    /// The first signal.
    private var signal: Int32?

    /// Of a program that the signal ends.
    var signalStatus: Int32 { self.status ?? 128 + (self.signal ?? 0) }

    var isFinishing: Bool {
        switch self.phase {
        case .idle, .running: false
        case .finishing, .givingUp: true
        }
    }

    /// When `timeHasPassed` wants to be called.
    var deadline: UInt64? {
        switch self.phase {
        case .idle, .running: nil
        case .finishing(let until): until
        case .givingUp(let until): until
        }
    }

    mutating func begins(_ patience: Patience) {
        if self.phase == .idle { self.phase = .running(patience) }
    }

    /// The command has ended. A signal stays one; what is left to do has its own bounds.
    mutating func ends() {
        switch self.phase {
        case .idle, .running: self.phase = .idle
        case .finishing, .givingUp: self.phase = .finishing(until: nil)
        }
    }

    /// The command has ended because of the signal, and its results are not all that there were to come.
    mutating func cutsShort() {
        if let signal { self.status = self.status ?? 128 + signal }
    }

    /// As shells say it: 128 and the number.
    mutating func received(_ signal: Int32, now: UInt64) -> Step {
        switch self.phase {
        case .idle, .givingUp: return .exit(128 + signal)
        case .running(let patience):
            self.signal = signal
            self.phase = .finishing(until: patience.nanos.map { now + $0 })
            return .finish
        case .finishing:
            self.status = 128 + signal
            self.phase = .givingUp(until: now + Self.lastWordsNanos)
            return .giveUp
        }
    }

    mutating func timeHasPassed(now: UInt64) -> Step {
        guard let deadline, deadline <= now else { return .nothing }
        switch self.phase {
        case .finishing:
            self.phase = .givingUp(until: now + Self.lastWordsNanos)
            return .giveUp
        case .givingUp: return .exit(self.signalStatus)
        case .idle, .running: return .nothing
        }
    }
}
