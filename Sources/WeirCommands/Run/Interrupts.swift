// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Ctrl-C and SIGTERM. The first one asks the running command to finish, the second one ends the program at once. A
/// command that has nothing to finish is ended by the first.
///
/// The main thread does nothing but wait for them, so that they work when every other thread is busy or blocked.
enum Interrupts {
    private struct State {
        var finish: (@Sendable () -> Void)?
        var isFinishing = false
    }

    private static let state = Mutex(State())

    private static func signals() -> sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        return signals
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
            if sigwait(&signals, &number) == 0 { Self.received(number) }
        }
    }

    private static func received(_ number: Int32) {
        let finish = Self.state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isFinishing, let finish = state.finish else { return nil }
            state.isFinishing = true
            return finish
        }
        guard let finish else { _exit(128 + number) }
        finish()
    }

    /// Runs `body`; the first signal calls `finish`, which must not block.
    static func whileRunning<R>(
        finish: @escaping @Sendable () -> Void, isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> R
    ) async rethrows -> R {
        Self.state.withLock { $0.finish = finish }
        defer { Self.state.withLock { $0.finish = nil } }
        return try await body()
    }

    /// Whether a signal has asked the command to finish.
    static var isFinishing: Bool { Self.state.withLock { $0.isFinishing } }
}
