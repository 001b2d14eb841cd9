// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Keeps one connection for many users: opened when somebody wants it, opened anew when it was lost.
final class ConnectionKeeper: Sendable {
    private struct State {
        var current: ClientConnection?
        var waiting: [Completion<ClientConnection>] = []
        var isOpening = false
        var isClosed = false
    }

    private let open: @Sendable () async throws -> ClientConnection
    private let state = Mutex(State())

    init(open: @escaping @Sendable () async throws -> ClientConnection) {
        self.open = open
    }

    /// The open connection, or a new one. Throws what opening it threw.
    func connection() async throws -> ClientConnection {
        let completion = Completion<ClientConnection>()
        let shouldOpen = self.state.withLock { state -> Bool in
            if state.isClosed {
                completion.finish(.failure(Self.closedError))
            } else if let current = state.current, current.isOpen {
                completion.finish(.success(current))
            } else {
                state.waiting.append(completion)
                defer { state.isOpening = true }
                return !state.isOpening
            }
            return false
        }
        // For all who wait, so it does not end when one of them is cancelled.
        if shouldOpen { Task { await self.attempt() } }
        return try await completion.wait()
    }

    static let closedError = WeirError(
        .unavailable, "the client is closed", verdict: .init(maybeStored: false, retry: .never))

    private func attempt() async {
        var result: Result<ClientConnection, any Error>
        do {
            result = .success(try await self.open())
        } catch {
            result = .failure(error)
        }
        let (waiting, isClosed) = self.state.withLock { state in
            defer { state.waiting = [] }
            state.isOpening = false
            state.current = state.isClosed ? nil : try? result.get()
            return (state.waiting, state.isClosed)
        }
        if isClosed {
            (try? result.get())?.close()
            result = .failure(Self.closedError)
        }
        for completion in waiting { completion.finish(result) }
    }

    func close() {
        let current = self.state.withLock { state in
            state.isClosed = true
            return state.current
        }
        current?.close()
    }
}
