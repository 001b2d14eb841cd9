// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// What a client tells of its way to the server.
public enum ConnectionNotice: Hashable, Sendable {
    /// It was connected, and cannot connect any more: why. It goes on trying as long as something waits for it.
    case lost(WeirError)
    case restored
}

/// Whether the server can be connected to, as the attempts of all connections of a client show. Pure.
struct Reachability: Sendable {
    private enum State {
        /// Who tries for the first time is told by the call itself.
        case untried
        case reached
        case lost
    }

    private var state = State.untried

    /// An attempt to connect has ended, with `nil` when it succeeded. Returns what is news.
    mutating func attempted(_ error: WeirError?) -> ConnectionNotice? {
        guard let error else {
            defer { self.state = .reached }
            return self.state == .lost ? .restored : nil
        }
        // What the server says about the client is its answer, for who has asked.
        guard error.code == .unavailable || error.code == .timedOut, self.state == .reached else { return nil }
        self.state = .lost
        return .lost(error)
    }
}

/// Tells what is news of many connections.
final class ConnectionWatch: Sendable {
    private let state = Mutex(Reachability())
    private let tell: @Sendable (ConnectionNotice) -> Void

    init(_ tell: @escaping @Sendable (ConnectionNotice) -> Void) { self.tell = tell }

    func attempted(_ error: WeirError?) {
        if let notice = self.state.withLock({ $0.attempted(error) }) { self.tell(notice) }
    }
}
