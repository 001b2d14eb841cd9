// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// What the subscriptions and reads of one reader have to say, in the order in which it came, until the reader asks.
/// Bounded by the credit that the reader gives to each subscription, and by one answer for each shard that it asks.
final class ReaderMailbox: Sendable {
    enum Event {
        case subscribed(any ReadSlot)
        case pushed(any ReadSlot, ByteBuffer)
        /// What a single read has brought.
        case answered(any ReadSlot, ByteBuffer)
        case ended(any ReadSlot, WeirError)
        /// The first index of the shard that can still be read.
        case probed(ShardNumber, horizon: UInt64)
    }

    private struct State {
        var events = Queue<Event>()
        var waiting: Completion<Void>?
        /// Somebody was to be woken who was only about to wait.
        var isWoken = false
    }

    private let state = Mutex(State())

    func post(_ event: Event) {
        let waiting = self.state.withLock { state in
            state.events.append(event)
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.finish(.success(()))
    }

    func take() -> Event? { self.state.withLock { $0.events.popFirst() } }

    /// Returns when there is something, or when `wake` was called since this has returned the last time. Throws
    /// `CancellationError`.
    func wait() async throws {
        let completion = Completion<Void>()
        try await completion.wait {
            let goesOn = self.state.withLock { state in
                guard state.events.isEmpty, !state.isWoken else {
                    state.isWoken = false
                    return true
                }
                state.waiting = completion
                return false
            }
            if goesOn { completion.finish(.success(())) }
        }
    }

    func wake() {
        let waiting = self.state.withLock { state in
            if state.waiting == nil { state.isWoken = true }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.finish(.success(()))
    }
}
