// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Ctrl-C, SIGTERM, and SIGHUP, with which a terminal that is closed takes its leave: they ask the running command to
/// finish, and then to give up (`Interruption`). A command that has nothing to finish is ended by the first. SIGUSR1
/// and SIGUSR2 mean nothing here, and end nothing.
///
/// The main thread does nothing but wait for them, so that they work when every other thread is busy or blocked.
enum Interrupts {
    /// What a command does at signals. None of these may block.
    struct Handlers: Sendable {
        /// At the first one.
        var finish: @Sendable () -> Void
        /// At the second one, or when finishing took too long; `nil` ends the program there.
        var giveUp: (@Sendable () -> Void)?
        /// The program ends although the command does not: what there is to say.
        var lastWords: @Sendable () -> Void = {}
        /// How long finishing may take; `nil`: the command sees to that.
        var patience: Duration? = .seconds(10)
    }

    private struct State {
        var interruption = Interruption()
        var handlers: Handlers?
    }

    /// A class, because the optimizer of Swift 6.3 makes a static `Mutex` all zeros, whatever it is to hold: then each
    /// status is 0, and the first signal ends the program. A test of the style allows no static `Mutex`.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    private static let shared = Shared()
    private static let ignored = [SIGUSR1, SIGUSR2]

    private static func signals() -> sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        for signal in [SIGINT, SIGTERM] + Self.ignored { sigaddset(&signals, signal) }
        // Who started the program with `nohup` wants it to outlive the terminal.
        var hangup = sigaction()
        sigaction(SIGHUP, nil, &hangup)
        if !Self.ignores(hangup) { sigaddset(&signals, SIGHUP) }
        return signals
    }

    private static func ignores(_ action: sigaction) -> Bool {
        #if canImport(Darwin)
        let handler = action.__sigaction_u.__sa_handler
        #else
        let handler = action.__sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Call it on the main thread before there are others: they inherit that the signals are blocked.
    static func block() {
        var signals = Self.signals()
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Waits for signals, for ever.
    static func wait() -> Never {
        var signals = Self.signals()
        while true {
            var number: Int32 = 0
            guard sigwait(&signals, &number) == 0, !Self.ignored.contains(number) else { continue }
            Self.step { $0.received(number, now: SystemClock().monotonicNanos) }
        }
    }

    private static func step(_ change: (inout Interruption) -> Interruption.Step) {
        let (step, handlers, deadline, status) = Self.shared.state.withLock { state in
            let step = change(&state.interruption)
            return (step, state.handlers, state.interruption.deadline, state.interruption.signalStatus)
        }
        switch step {
        case .nothing: return
        case .finish: handlers?.finish()
        case .giveUp:
            guard let giveUp = handlers?.giveUp else { Self.exit(status, handlers) }
            giveUp()
        case .exit(let status): Self.exit(status, handlers)
        }
        if let deadline { Self.comeBack(at: deadline) }
    }

    /// On a thread of its own, which works when no other does.
    private static func comeBack(at deadline: UInt64) {
        Thread.start("weir-patience") {
            while true {
                let now = SystemClock().monotonicNanos
                guard now < deadline else { break }
                usleep(UInt32(clamping: min(500_000, (deadline - now) / 1000 + 1)))
            }
            Self.step { $0.timeHasPassed(now: SystemClock().monotonicNanos) }
        }
    }

    private static func exit(_ status: Int32, _ handlers: Handlers?) -> Never {
        handlers?.lastWords()
        ErrorOutput.shared.finish(milliseconds: 200)
        _exit(status)
    }

    /// Runs `body`, during which signals are handled.
    static func whileRunning<R>(
        _ handlers: Handlers, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
    ) async rethrows -> R {
        Self.shared.state.withLock { state in
            state.handlers = handlers
            state.interruption.begins(Interruption.Patience(nanos: handlers.patience?.nanos))
        }
        defer {
            Self.shared.state.withLock { state in
                state.handlers = nil
                state.interruption.ends()
            }
        }
        return try await body()
    }

    /// As above; the second signal ends the program at once.
    static func whileRunning<R>(
        finish: @escaping @Sendable () -> Void, patience: Duration? = nil,
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
    ) async rethrows -> R {
        try await Self.whileRunning(Handlers(finish: finish, patience: patience), isolation: isolation, body)
    }

    /// Whether a signal has asked the command to finish.
    static var isFinishing: Bool { Self.shared.state.withLock { $0.interruption.isFinishing } }

    /// The command has ended early because of a signal: the status of the program says so.
    static func cutShort() { Self.shared.state.withLock { $0.interruption.cutsShort() } }

    /// The status with which the program ends whatever the command says; `nil`: the command's.
    static var status: Int32? { Self.shared.state.withLock { $0.interruption.status } }
}
