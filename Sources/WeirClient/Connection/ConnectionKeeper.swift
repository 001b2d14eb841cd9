// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Keeps one connection for many users: opened when somebody wants it, opened anew when it was lost.
final class ConnectionKeeper: Sendable {
    private struct State {
        var current: ClientConnection?
        var waiting: [Completion<ClientConnection>] = []
        /// For all who wait, so it does not end when one of them is cancelled; it ends with the keeper.
        var opening: Task<Void, Never>?
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
        self.state.withLock { state in
            if state.isClosed {
                completion.finish(.failure(Self.closedError))
            } else if let current = state.current, current.isOpen {
                completion.finish(.success(current))
            } else {
                state.waiting.append(completion)
                if state.opening == nil { state.opening = Task { await self.attempt() } }
            }
        }
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
            state.opening = nil
            state.current = state.isClosed ? nil : try? result.get()
            return (state.waiting, state.isClosed)
        }
        if isClosed {
            (try? result.get())?.close()
            result = .failure(Self.closedError)
        }
        for completion in waiting { completion.finish(result) }
    }

    /// Nobody gets a connection any more. Returns what is still at work: it ends by itself, soon.
    func close() -> Task<Void, Never>? {
        let (current, opening) = self.state.withLock { state in
            state.isClosed = true
            return (state.current, state.opening)
        }
        current?.close()
        opening?.cancel()
        return opening
    }
}
