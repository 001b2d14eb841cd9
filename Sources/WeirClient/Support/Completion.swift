// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// One task waits for one value. The first of value, error, time limit and cancellation counts.
final class Completion<Value: Sendable>: Sendable {
    private enum State {
        case idle
        case waiting(CheckedContinuation<Value, any Error>)
        /// Finished before anybody waited.
        case early(Result<Value, any Error>)
        case finished
    }

    /// In nanoseconds, for whoever watches over it.
    let deadline: UInt64
    private let state = Mutex(State.idle)

    init(deadline: UInt64 = .max) {
        self.deadline = deadline
    }

    func finish(_ result: Result<Value, any Error>) {
        let waiting = self.state.withLock { state -> CheckedContinuation<Value, any Error>? in
            switch state {
            case .idle: state = .early(result)
            case .waiting(let continuation):
                state = .finished
                return continuation
            case .early, .finished: break
            }
            return nil
        }
        waiting?.resume(with: result)
    }

    /// Calls `begin`, then waits. Throws `CancellationError` as soon as the task is cancelled.
    func wait(_ begin: () -> Void = {}) async throws -> Value {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let early = self.state.withLock { state -> Result<Value, any Error>? in
                    if case .early(let result) = state {
                        state = .finished
                        return result
                    }
                    state = .waiting(continuation)
                    return nil
                }
                if let early { continuation.resume(with: early) } else { begin() }
            }
        } onCancel: {
            self.finish(.failure(CancellationError()))
        }
    }
}

/// Waits for the payload of an answer.
typealias PendingCall = Completion<ByteBuffer>
