// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// Which connection of the node speaks for a session: the one that its client made last. An older one is fenced before
/// the newer is answered, so that nothing it still had under way is admitted after what the newer one sends again.
///
/// The client numbers its connections. Which of two came first is not to be seen here: a Hello that its client has
/// given up may lie in a socket for long and be read after that of the connection which the client made instead.
package final class SessionRegistry<Holder: Sendable>: Sendable {
    package enum Registration {
        case first
        /// This one must be fenced, and itself must have fenced the one before it, before the new one goes on.
        case fences(Holder)
        /// A connection that the client made later speaks for the session: this one does not.
        case isOutdated(WeirError)
    }

    private struct Entry {
        let connection: UInt64
        let number: UInt64
        let holder: Holder
    }

    private let sessions = Mutex<[UInt64: Entry]>([:])

    package init() {}

    package var count: Int { self.sessions.withLock { $0.count } }

    /// `connection` wants to speak for `session`; `number`: that its client gave it. Equal numbers, such as the 0 of
    /// clients that count none, go by their coming.
    package func register(
        _ session: UInt64, number: UInt64, connection: UInt64, _ holder: Holder
    ) -> Registration {
        self.sessions.withLock { sessions in
            if let current = sessions[session], current.number > number {
                return .isOutdated(
                    WeirError(
                        .sessionFenced,
                        "connection \(number) of the session comes after its connection \(current.number), which has "
                            + "taken over: at least that number is allowed",
                        verdict: .init(maybeStored: false, retry: .never)))
            }
            let entry = Entry(connection: connection, number: number, holder: holder)
            return sessions.updateValue(entry, forKey: session).map { .fences($0.holder) } ?? .first
        }
    }

    /// The connection has ended. Means nothing when a newer one speaks for the session.
    package func remove(_ session: UInt64, connection: UInt64) {
        self.sessions.withLock { sessions in
            if sessions[session]?.connection == connection { sessions[session] = nil }
        }
    }
}
