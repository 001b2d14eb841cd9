// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// The groups of a node's applications: brings together what workers say, the machines that decide, and the log, where
/// what was decided becomes true.
///
/// One lock, taken before the log's. What is decided is logged; what workers are told waits until that is durable.
final class GroupRegistry: Sendable {
    /// Who waits for news of a worker.
    struct Waiting {
        let handle: ConnectionHandle
        let id: UInt64
        let owner: LeaseOwner
    }

    struct State {
        var groups: [ApplicationRef: Group] = [:]
        var waiting: [ApplicationRef: [WorkerID: Waiting]] = [:]
        /// Workers whose connection has ended since they were last heard of.
        var disconnected: [ApplicationRef: Set<LeaseOwner>] = [:]
        /// The term of the log that the groups were last brought in step with; after a recovery it is another.
        var term: UInt64 = 0
        var tickedNanos: UInt64 = 0
        var balancedNanos: UInt64 = 0
        /// Those who are to be told, once the locks are given back.
        var wakes: [Waiting] = []
    }

    private static let tickNanos: UInt64 = 80_000_000
    /// How often the balance is looked at when nothing has happened.
    private static let balanceNanos: UInt64 = 1_000_000_000

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
                if state.term != log.term { Self.begin(&state, log, moment) }
                return body(&state, log, moment)
            }
            defer { state.wakes.removeAll() }
            return (result, state.wakes)
        }
        for waiting in wakes {
            waiting.handle.loop.run { $0.connection(waiting.handle.id)?.continueHeartbeat(waiting.id) }
        }
        return result
    }

    struct Moment {
        let wallMillis: Int64
        let nanos: UInt64
    }

    /// A new term of the log: what was decided and did not become durable is gone, so everybody is told anew. At the
    /// start of the node the owners that the table names are expected back.
    private static func begin(_ state: inout State, _ log: LogCore, _ moment: Moment) {
        state.term = log.term
        for (ref, application) in log.leases.applications {
            if let known = state.groups[ref] {
                for member in known.members.values { state.groups[ref]?.touch(member.owner) }
            } else if application.rows.values.contains(where: { $0.owner != nil }) {
                state.groups[ref] = Group(rows: application.rows, nowNanos: moment.nanos)
            }
        }
        for (ref, waiting) in state.waiting where !waiting.isEmpty { state.wake(ref) }
    }

    /// Expires and balances; called often, from every loop.
    func tick() {
        let now = self.clock.monotonicNanos
        let isDue = self.state.withLock { state in
            guard now >= state.tickedNanos + Self.tickNanos else { return false }
            state.tickedNanos = now
            return true
        }
        guard isDue else { return }
        self.with { state, log, moment in
            guard log.unavailable() == nil else { return }
            let balances = moment.nanos >= state.balancedNanos + Self.balanceNanos
            if balances { state.balancedNanos = moment.nanos }
            for ref in Array(state.groups.keys) {
                let gone = state.groups[ref]?.expire(nowNanos: moment.nanos) ?? []
                if balances || !gone.isEmpty { state.settle(ref, log, moment) }
            }
        }
    }

    /// A worker's connection has ended while it waited. It may come back with another; only a new life of the same id
    /// need not wait for the session timeout.
    func disconnected(_ ref: ApplicationRef, _ owner: LeaseOwner, _ id: UInt64, of connection: UInt64) {
        self.state.withLock { state in
            guard let waiting = state.waiting[ref]?[owner.worker], waiting.id == id, waiting.handle.id == connection
            else { return }
            state.waiting[ref]?[owner.worker] = nil
            state.disconnected[ref, default: []].insert(owner)
        }
    }

    func stopWaiting(_ ref: ApplicationRef, _ owner: LeaseOwner, _ id: UInt64, of connection: UInt64) {
        self.state.withLock { state in
            guard let waiting = state.waiting[ref]?[owner.worker], waiting.id == id, waiting.handle.id == connection
            else { return }
            state.waiting[ref]?[owner.worker] = nil
        }
    }
}

extension GroupRegistry.State {
    /// Brings the lease table in step with who is there. Without room or a writable log nothing changes; the next tick
    /// tries again.
    mutating func settle(_ ref: ApplicationRef, _ log: LogCore, _ moment: GroupRegistry.Moment) {
        guard var group = self.groups[ref] else { return }
        guard let application = log.leases.application(ref), let stream = log.catalog.stream(ref.stream) else {
            // Deleted: workers are told when they ask.
            self.groups[ref] = nil
            self.disconnected[ref] = nil
            return self.wake(ref)
        }
        let rows = application.rows
        let before = group
        let changes = group.settle(rows: rows, nowNanos: moment.nanos) { number in
            stream.shard(number).map { log.leases.mayBegin($0, of: ref) } ?? false
        }
        if !changes.isEmpty {
            do {
                try log.submit(.assign(ref, changes), nowMillis: moment.wallMillis)
            } catch {
                return
            }
            group.settled(changes, before: rows)
        }
        self.groups[ref] = group
        self.wakeChanged(ref, before)
        if group.isEmpty, !rows.values.contains(where: { $0.owner != nil }) { self.drop(ref) }
    }

    /// Nobody is left and nobody is expected.
    private mutating func drop(_ ref: ApplicationRef) {
        self.groups[ref] = nil
        self.disconnected[ref] = nil
        if self.waiting[ref]?.isEmpty ?? false { self.waiting[ref] = nil }
    }

    /// Those for whom something has changed since `before`, and those who are no members any more.
    mutating func wakeChanged(_ ref: ApplicationRef, _ before: Group) {
        for (worker, waiting) in self.waiting[ref] ?? [:] {
            let now = self.groups[ref]?.member(waiting.owner)?.version
            if now == nil || now != before.member(waiting.owner)?.version { self.wakes.append(waiting) }
            if now == nil { self.waiting[ref]?[worker] = nil }
        }
    }

    mutating func wake(_ ref: ApplicationRef) {
        self.wakes.append(contentsOf: self.waiting[ref]?.values.map { $0 } ?? [])
    }
}
