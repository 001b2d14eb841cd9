// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Which connection of the node speaks for a session: the newest one. An older one is fenced before the newer is
/// answered, so that nothing it still had under way is admitted after what the newer one sends again.
package final class SessionRegistry<Holder: Sendable>: Sendable {
    private struct Entry {
        let connection: UInt64
        let holder: Holder
    }

    private let sessions = Mutex<[UInt64: Entry]>([:])

    package init() {}

    package var count: Int { self.sessions.withLock { $0.count } }

    /// `connection` speaks for `session` from now on. Returns who did before: it must be fenced, and itself must have
    /// fenced the one before it, before this one goes on.
    package func register(_ session: UInt64, connection: UInt64, _ holder: Holder) -> Holder? {
        self.sessions.withLock { sessions in
            let old = sessions.updateValue(Entry(connection: connection, holder: holder), forKey: session)
            return old?.holder
        }
    }

    /// The connection has ended. Means nothing when a newer one speaks for the session.
    package func remove(_ session: UInt64, connection: UInt64) {
        self.sessions.withLock { sessions in
            if sessions[session]?.connection == connection { sessions[session] = nil }
        }
    }
}
