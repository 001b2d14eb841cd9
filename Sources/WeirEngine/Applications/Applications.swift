// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// The applications of a node: their groups of workers, with their lock and the heartbeats that wait for news.
///
/// One lock, taken before the log's. What is decided is logged; what workers are told waits until that is durable.
package final class Applications: Sendable {
    typealias Moment = GroupMoment
    typealias State = NodeGroups<Waiting>

    /// A heartbeat that waits for news of its worker: whom to wake.
    package struct Waiting: Sendable {
        let lane: any LaneHost
        let caller: UInt64
        let number: UInt64

        package init(lane: any LaneHost, caller: UInt64, number: UInt64) {
            self.lane = lane
            self.caller = caller
            self.number = number
        }
    }

    private let state = Mutex(State())
    private let log: any EngineLog
    private let clock: any Clock

    init(_ log: any EngineLog, _ clock: any Clock) {
        self.log = log
        self.clock = clock
    }

    /// Does something with the groups and the log, both locked; afterwards those whom it concerns are told.
    func with<Result: Sendable>(_ body: (inout State, LogCore, Moment) -> Result) -> Result {
        let moment = Moment(wallMillis: self.clock.wallMillis, nanos: self.clock.monotonicNanos)
        let (result, wakes) = self.state.withLock { state -> (Result, [Waiting]) in
            let result = self.log.withLog { log in
                state.begin(log, moment)
                return body(&state, log, moment)
            }
            return (result, state.takeWakes())
        }
        for waiting in wakes { waiting.lane.run { $0.wake(waiting.caller, waiting.number) } }
        return result
    }

    /// Expires and balances; called often, from every lane.
    package func tick() {
        let now = self.clock.monotonicNanos
        guard self.state.withLock({ $0.takeTick(nowNanos: now) }) else { return }
        self.with { state, log, moment in state.tick(log, moment) }
    }

    /// The worker's connection has ended while its heartbeat waited.
    package func disconnected(_ worker: WorkerRef, _ number: UInt64, of caller: UInt64) {
        self.state.withLock { state in
            state.disconnected(worker.application, worker.owner) { $0.number == number && $0.caller == caller }
        }
    }

    package func stopWaiting(_ worker: WorkerRef, _ number: UInt64, of caller: UInt64) {
        self.state.withLock { state in
            _ = state.stopWaiting(worker.application, worker.owner) { $0.number == number && $0.caller == caller }
        }
    }
}

/// One life of a worker in its application.
package struct WorkerRef: Hashable, Sendable {
    package let application: ApplicationRef
    package let owner: LeaseOwner

    package init(application: ApplicationRef, owner: LeaseOwner) {
        self.application = application
        self.owner = owner
    }
}
