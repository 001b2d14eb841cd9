// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// Where the records of one shard come from, for as long as they come.
protocol ReadSlot: AnyObject, Sendable {
    var shard: ShardNumber { get }
    /// More bytes may come.
    func grant(_ bytes: Int)
    /// Nothing more is wanted.
    func cancel()
}

/// One read that is answered once: what comes of it is put into the mailbox.
final class PollSlot: ReadSlot {
    let shard: ShardNumber
    private let mailbox: ReaderMailbox
    /// What waits for the answer; it ends with the slot.
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ shard: ShardNumber, _ mailbox: ReaderMailbox) {
        self.shard = shard
        self.mailbox = mailbox
    }

    func read(_ request: GetRecords, with client: WeirClient) {
        self.task.withLock { task in
            task = Task {
                do {
                    let payload = try await Self.ask(request, client)
                    self.mailbox.post(.answered(self, payload))
                } catch let error as WeirError {
                    self.mailbox.post(.ended(self, error))
                } catch {
                    // Nobody wants it any more.
                }
            }
        }
    }

    private static func ask(_ request: GetRecords, _ client: WeirClient) async throws -> ByteBuffer {
        let connection = try await client.readerConnection()
        if let hello = connection.helloAnswer, hello.features & Wire.Features.quotedReads == 0 {
            throw WeirError(
                .unsupportedVersion,
                "the server, \(hello.serverName), cannot be polled from a position: read by subscriptions")
        }
        do {
            return try await connection.exchange(request, deadline: client.deadline(nil))
        } catch let error as WeirError where error.code == .timedOut {
            // A read does no harm when it is repeated.
            throw WeirError(.timedOut, error.message, verdict: .init(maybeStored: false, retry: .after(millis: 100)))
        }
    }

    func grant(_ bytes: Int) {}

    func cancel() { self.task.withLock { $0 }?.cancel() }
}

/// One subscription, from the wish for it to its end: what comes is put into the mailbox.
final class SubscriptionSlot: ReadSlot, SubscriptionSink {
    private struct State {
        var connection: ClientConnection?
        var subscription: UInt32?
        var isCancelled = false
        var connecting: Task<Void, Never>?
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
        // The reader goes on meanwhile; what comes of it is in the mailbox. It ends with the slot.
        let task = Task {
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
        self.state.withLock { $0.connecting = task }
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
        let (connection, subscription, connecting) = self.state.withLock { state in
            state.isCancelled = true
            return (state.connection, state.subscription, state.connecting)
        }
        connecting?.cancel()
        if let subscription { connection?.unsubscribe(subscription) }
    }
}
