// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// What the subscriptions of one reader have to say, in the order in which it came, until the reader asks. Bounded by
/// the credit that the reader gives to each subscription.
final class ReaderMailbox: Sendable {
    enum Event {
        case subscribed(SubscriptionSlot)
        case pushed(SubscriptionSlot, ByteBuffer)
        case ended(SubscriptionSlot, WeirError)
        /// The first index of the shard that can still be read.
        case probed(ShardNumber, horizon: UInt64)
    }

    private struct State {
        var events = Queue<Event>()
        var waiting: Completion<Void>?
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

    /// Returns when there is something, or when `wake` was called. Throws `CancellationError`.
    func wait() async throws {
        let completion = Completion<Void>()
        try await completion.wait {
            let isThere = self.state.withLock { state in
                if state.events.isEmpty { state.waiting = completion }
                return !state.events.isEmpty
            }
            if isThere { completion.finish(.success(())) }
        }
    }

    func wake() {
        let waiting = self.state.withLock { state in
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.finish(.success(()))
    }
}

/// One subscription, from the wish for it to its end: what comes is put into the mailbox.
final class SubscriptionSlot: SubscriptionSink {
    private struct State {
        var connection: ClientConnection?
        var subscription: UInt32?
        var isCancelled = false
    }

    let shard: ShardNumber
    private let mailbox: ReaderMailbox
    private let state = Mutex(State())

    init(_ shard: ShardNumber, _ mailbox: ReaderMailbox) {
        self.shard = shard
        self.mailbox = mailbox
    }

    /// Asks for it over a connection of the client.
    func subscribe(_ request: Subscribe, with client: WeirClient) {
        // The reader goes on meanwhile; what comes of it is in the mailbox.
        Task {
            do {
                let connection = try await client.readerConnection()
                let isWanted = self.state.withLock { state in
                    state.connection = connection
                    return !state.isCancelled
                }
                if isWanted { connection.subscribe(request, self) }
            } catch {
                self.ended(error as? WeirError ?? WeirError(.unavailable, "connecting was cancelled"))
            }
        }
    }

    func subscribed(_ subscription: UInt32) {
        let cancelled = self.state.withLock { state in
            state.subscription = subscription
            return state.isCancelled ? state.connection : nil
        }
        if let cancelled { cancelled.unsubscribe(subscription) } else { self.mailbox.post(.subscribed(self)) }
    }

    func received(_ payload: ByteBuffer) -> Bool {
        guard !self.state.withLock({ $0.isCancelled }) else { return false }
        self.mailbox.post(.pushed(self, payload))
        return true
    }

    func ended(_ error: WeirError) {
        guard !self.state.withLock({ $0.isCancelled }) else { return }
        self.mailbox.post(.ended(self, error))
    }

    /// More bytes may be pushed.
    func grant(_ bytes: Int) {
        let (connection, subscription) = self.state.withLock { ($0.connection, $0.subscription) }
        if let subscription { connection?.grant(subscription, bytes: UInt32(clamping: bytes)) }
    }

    /// Nothing more is wanted.
    func cancel() {
        let (connection, subscription) = self.state.withLock { state in
            state.isCancelled = true
            return (state.connection, state.subscription)
        }
        if let subscription { connection?.unsubscribe(subscription) }
    }
}
