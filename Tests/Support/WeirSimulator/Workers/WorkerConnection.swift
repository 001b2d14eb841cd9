// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirModel
import WeirTestKit

/// What a node keeps of a worker's connection, as its native door does: heartbeats that wait for news, and what is to
/// fail when the connection ends before its answer.
final class WorkerConnection: LaneMember {
    /// A heartbeat that waits for news.
    struct Heartbeat {
        let seen: UInt64
        let deadlineNanos: UInt64
        let answer: (Result<Assignment, WeirError>) throws(Violation) -> Void
    }

    private unowned let workers: Workers
    let worker: SimWorker
    let era: Int
    let lane: Lane
    let host: SimLaneHost
    let caller: LaneCaller
    private(set) var isOpen = true
    var heartbeats: [UInt64: Heartbeat] = [:]
    /// What has no answer yet, and what happens without one.
    private var unanswered: [UInt64: () -> Void] = [:]
    private var lastNumber: UInt64 = 0

    init(_ workers: Workers, _ worker: SimWorker, on process: EngineProcess) {
        self.workers = workers
        self.worker = worker
        self.era = workers.era
        (self.lane, self.host, self.caller) = workers.simulation.connect(process)
        self.lane.add(self.caller, self)
    }

    func nextNumber() -> UInt64 {
        self.lastNumber += 1
        return self.lastNumber
    }

    /// Something is asked. `cutOff` runs when the connection ends before `answered`.
    func asked(_ cutOff: @escaping () -> Void) -> UInt64 {
        let number = self.nextNumber()
        self.unanswered[number] = cutOff
        return number
    }

    /// False: the connection has ended, and nobody hears the answer.
    func answered(_ number: UInt64) -> Bool { self.unanswered.removeValue(forKey: number) != nil }

    /// `processLives`: it goes on without this connection.
    func end(processLives: Bool) {
        guard self.isOpen else { return }
        self.isOpen = false
        for id in self.heartbeats.keys.sorted() {
            guard processLives else { continue }
            self.workers.applications?.disconnected(self.workers.member(self.worker), id, of: self.caller.id)
            self.lane.stopWaiting(self.caller, id)
            self.lane.engine.releaseWaiter()
        }
        let lost = self.heartbeats.sorted { $0.key < $1.key }
        self.heartbeats.removeAll()
        for (_, heartbeat) in lost { self.workers.failed(self.worker, heartbeat.answer) }
        let unanswered = self.unanswered.sorted { $0.key < $1.key }
        self.unanswered.removeAll()
        for (_, cutOff) in unanswered { cutOff() }
        self.lane.remove(self.caller)
        self.caller.holdings.close()
    }

    func releaseAnswers() -> Bool { true }
    func lookAgain() {}
    var hasRoom: Bool { true }

    func woken(_ wait: UInt64) {
        self.workers.simulation.guarded { () throws(Violation) in
            try self.workers.look(at: wait, of: self, isNew: false)
        }
    }
}
