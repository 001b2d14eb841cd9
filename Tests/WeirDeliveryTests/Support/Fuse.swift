// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Synchronization

/// Ends a process, or stops it for a while, before its n-th step.
final class Fuse: Sendable {
    enum End: Sendable {
        case dies
        /// Until `goOn`.
        case pauses
    }

    private enum Pause {
        case notYet
        case paused(CheckedContinuation<Void, Never>?)
        case over
    }

    private struct State {
        var steps = 0
        var isDead = false
        var pause = Pause.notYet
        /// Who wants to know of the pause.
        var watcher: CheckedContinuation<Void, Never>?
    }

    private let at: Int?
    private let end: End
    private let state = Mutex(State())
    /// For steps on a thread that may block.
    private let gate = DispatchSemaphore(value: 0)

    init(at: Int?, _ end: End = .dies) {
        self.at = at
        self.end = end
    }

    var steps: Int { self.state.withLock { $0.steps } }

    private enum Step {
        case goes(isDead: Bool)
        case pauses
    }

    private func step() -> Step {
        self.state.withLock { state in
            state.steps += 1
            guard state.steps == self.at else { return .goes(isDead: state.isDead) }
            switch self.end {
            case .dies:
                state.isDead = true
                return .goes(isDead: true)
            case .pauses: return .pauses
            }
        }
    }

    private func pause(_ continuation: CheckedContinuation<Void, Never>?) {
        let watcher = self.state.withLock { state in
            state.pause = .paused(continuation)
            defer { state.watcher = nil }
            return state.watcher
        }
        watcher?.resume()
    }

    /// False when the process is dead. Blocks its thread while it is paused: for calls of a destination, which have
    /// threads of their own.
    func burns() -> Bool {
        switch self.step() {
        case .goes(let isDead): return !isDead
        case .pauses:
            self.pause(nil)
            self.gate.wait()
            return true
        }
    }

    /// The same for calls of a lease, which must not block one of the few threads that all tasks share.
    func burnsInTurn() async -> Bool {
        switch self.step() {
        case .goes(let isDead): return !isDead
        case .pauses:
            await withCheckedContinuation { self.pause($0) }
            return true
        }
    }

    /// Returns when the process is paused, or has ended without.
    func paused() async {
        await withCheckedContinuation { continuation in
            let waits = self.state.withLock { state in
                guard case .notYet = state.pause else { return false }
                state.watcher = continuation
                return true
            }
            if !waits { continuation.resume() }
        }
    }

    /// The process has ended.
    func ended() {
        let watcher = self.state.withLock { state in
            state.pause = .over
            defer { state.watcher = nil }
            return state.watcher
        }
        watcher?.resume()
    }

    /// Of a process that is paused, or has ended.
    func goOn() {
        let pause = self.state.withLock { state in
            defer { state.pause = .over }
            return state.pause
        }
        switch pause {
        case .paused(let continuation?): continuation.resume()
        case .paused(nil): self.gate.signal()
        case .notYet, .over: break
        }
    }
}
