// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// The groups of a node's applications, with their lock and the heartbeats that wait for news.
///
/// One lock, taken before the log's. What is decided is logged; what workers are told waits until that is durable.
final class GroupRegistry: Sendable {
    typealias Told = WeirStorage.Told
    typealias Moment = GroupMoment
    typealias State = NodeGroups<Waiting>

    /// A heartbeat that waits for news of its worker.
    struct Waiting {
        let handle: ConnectionHandle
        let id: UInt64
    }

    private let state = Mutex(State())
    private let storage: Storage
    private let clock: any Clock

    init(_ storage: Storage, _ clock: any Clock) {
        self.storage = storage
        self.clock = clock
    }

    /// Does something with the groups and the log, both locked; afterwards those whom it concerns are told.
    func with<Result: Sendable>(_ body: (inout State, LogCore, Moment) -> Result) -> Result {
        let moment = Moment(wallMillis: self.clock.wallMillis, nanos: self.clock.monotonicNanos)
        let (result, wakes) = self.state.withLock { state -> (Result, [Waiting]) in
            let result = self.storage.withLog { log in
                state.begin(log, moment)
                return body(&state, log, moment)
            }
            return (result, state.takeWakes())
        }
        for waiting in wakes {
            waiting.handle.loop.run { $0.connection(waiting.handle.id)?.continueHeartbeat(waiting.id) }
        }
        return result
    }

    /// Expires and balances; called often, from every loop.
    func tick() {
        let now = self.clock.monotonicNanos
        guard self.state.withLock({ $0.takeTick(nowNanos: now) }) else { return }
        self.with { state, log, moment in state.tick(log, moment) }
    }

    func disconnected(_ ref: ApplicationRef, _ owner: LeaseOwner, _ id: UInt64, of connection: UInt64) {
        self.state.withLock { state in
            state.disconnected(ref, owner) { $0.id == id && $0.handle.id == connection }
        }
    }

    func stopWaiting(_ ref: ApplicationRef, _ owner: LeaseOwner, _ id: UInt64, of connection: UInt64) {
        self.state.withLock { state in
            _ = state.stopWaiting(ref, owner) { $0.id == id && $0.handle.id == connection }
        }
    }
}
