// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirIO
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

    private let state: Mutex<State>
    private let log: any EngineLog
    private let clock: any Clock
    private let slice: Int

    package static let leasesInOneStay = State.sliceStandard

    init(_ log: any EngineLog, _ clock: any Clock, leasesInOneStay: Int) {
        self.log = log
        self.clock = clock
        self.slice = leasesInOneStay
        self.state = Mutex(State(slice: leasesInOneStay))
    }

    /// The workers of an application as they are now; `nil` without any. For those who judge what is decided.
    package func group(of application: ApplicationRef) -> Group? { self.state.withLock { $0.groups[application] } }

    /// Does something with the groups and the log, both locked; afterwards those whom it concerns are told.
    func with<Result: Sendable>(_ body: (inout State, LogCore, Moment) -> Result) -> Result {
        let moment = Moment(wallMillis: self.clock.wallMillis, nanos: self.clock.monotonicNanos)
        let (result, hasMore) = self.stay(moment, body)
        // A stay under the log's lock looks at a slice of the leases; the ticks do what is not done here.
        var stays = 0
        while hasMore, stays < Self.staysMax, self.stay(moment, { $0.carryOn($1, $2) }).result { stays += 1 }
        return result
    }

    /// One stay under the log's lock.
    private func stay<Result: Sendable>(
        _ moment: Moment, _ body: (inout State, LogCore, Moment) -> Result
    ) -> (result: Result, hasMore: Bool) {
        let (result, wakes, hasMore) = self.state.withLock { state -> (Result, [Waiting], Bool) in
            let result = self.log.withLog { log in
                state.begin(log, moment)
                return body(&state, log, moment)
            }
            return (result, state.takeWakes(), state.hasMore)
        }
        // They come in no order; what is played again from a seed needs one.
        for waiting in wakes.sorted(by: { ($0.caller, $0.number) < ($1.caller, $1.number) }) {
            waiting.lane.run { $0.wake(waiting.caller, waiting.number) }
        }
        return (result, hasMore)
    }

    // MARK: Many leases

    /// How often a change of many leases is drawn up when the shards of the stream change meanwhile.
    static let draftsMax = 8
    /// A group learns of all leases that a node may have and gives them out in fewer stays under the log's lock.
    private static let staysMax = 1_000

    static let neverStill = WeirError(
        .unavailable,
        "the shards of the stream changed \(draftsMax) times while a change of its leases was drawn up; try again",
        verdict: .init(maybeStored: false, retry: .after(millis: 1_000)))

    /// Asks for what a draft must know, in short stays under the log's lock, and finishes it outside.
    func drawUp(_ begun: LogDraft) -> LogDraft {
        var draft = begun
        let stream = begun.application.stream
        while true {
            let asked = draft.asks(atMost: self.slice)
            if asked.isEmpty { break }
            draft.learn(self.log.withLog { $0.nextIndexes(of: asked, in: stream) })
        }
        draft.finish()
        return draft
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
