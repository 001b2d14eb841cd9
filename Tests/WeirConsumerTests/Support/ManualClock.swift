// SPDX-License-Identifier: Apache-2.0
import Synchronization

@testable import WeirClient

/// A clock that stands still until a test moves it.
final class ManualClock: ClientClock {
    private struct State {
        var now: UInt64 = 1_000_000_000
        var bodies: [(at: UInt64, body: @Sendable () -> Void)] = []
    }

    private let state = Mutex(State())

    var nanoseconds: UInt64 { self.state.withLock { $0.now } }

    func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) {
        self.state.withLock { $0.bodies.append((nanoseconds, body)) }
    }

    func sleep(until nanoseconds: UInt64) async throws {
        let completion = Completion<Void>()
        try await completion.wait { self.schedule(at: nanoseconds) { completion.finish(.success(())) } }
    }

    /// Moves the clock and calls what was waiting for that.
    func advance(millis: UInt64) {
        let due = self.state.withLock { state in
            state.now += millis * 1_000_000
            let now = state.now
            let due = state.bodies.filter { $0.at <= now }.sorted { $0.at < $1.at }
            state.bodies.removeAll { $0.at <= now }
            return due
        }
        for item in due { item.body() }
    }

    /// Moves the clock in small steps, with time for others in between, until something has come about.
    func advance(stepMillis: UInt64 = 10, until isDone: () -> Bool) async {
        while !isDone() {
            for _ in 0..<50 where !isDone() { await Task.yield() }
            if !isDone() { self.advance(millis: stepMillis) }
        }
    }
}
