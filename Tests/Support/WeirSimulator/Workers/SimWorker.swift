// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirModel
import WeirTestKit

/// A worker as a process: the real machine, and what runs of its leases.
final class SimWorker {
    let owner: LeaseOwner
    /// Checkpoints after each batch; otherwise now and then.
    let isAutomatic: Bool
    /// Asks for records; otherwise they are pushed to it.
    let isPolling: Bool
    var machine: WorkerMachine
    /// What the machine decided and is not yet done.
    var actions: [WorkerMachine.Action] = []
    var isPerforming = false
    var isAlive = true
    var isLeaving = false
    var pausedUntil: UInt64 = 0
    /// Until then something kept the server from hearing of it.
    var unwellUntil: UInt64
    var alarmAt: UInt64?
    /// When the last messages of its connection arrive.
    var lastMessages: (sent: UInt64, received: UInt64) = (0, 0)
    var tasks: [LeaseKey: LeaseTask] = [:]
    var tickets: [UInt64: (WeirError?) throws(Violation) -> Void] = [:]
    var lastTicket: UInt64 = 0
    /// To the process of the node that runs now.
    var connection: WorkerConnection?

    init(_ owner: LeaseOwner, session: UInt64, isAutomatic: Bool, now: UInt64) {
        self.owner = owner
        self.isAutomatic = isAutomatic
        self.isPolling = owner.incarnation & 1 == 0
        self.unwellUntil = now
        let timeout = session * 1_000_000
        self.machine = WorkerMachine(
            WorkerMachine.Settings(
                sessionTimeout: timeout, drainTimeout: 30_000_000_000, patience: nil,
                retry: WorkerMachine.Settings.pauses(sessionTimeout: timeout), seed: owner.incarnation))
    }

    var leases: [LeaseTask] { self.tasks.values.sorted { $0.key.life < $1.key.life } }
}

/// A lease that a worker processes: reads, processes and checkpoints, one after the other.
final class LeaseTask: CustomStringConvertible {
    let key: LeaseKey
    let lease: AssignedLease
    var stop: WorkerMachine.StopReason?
    /// The next index to read; `nil` until it is known.
    var next: UInt64?
    /// What was pushed and not yet taken, and who waits for more.
    var inbox: [Result<Workers.Batch, WeirError>] = []
    var awaiting: Workers.BatchAnswer?
    /// How often it has waited.
    var awaits = 0
    var isSubscribed = false
    /// The node's number of the subscription.
    var subscription: (id: UInt64, connection: WorkerConnection)?
    /// What the processor is given now.
    var inHand: [SeenRecord] = []
    /// Up to where the processor has kept its word.
    var processed: LeaseCheckpoint
    /// Something of it is under way, after which it goes on by itself.
    var isBusy = false
    var isFinished = false

    init(_ key: LeaseKey, _ lease: AssignedLease) {
        self.key = key
        self.lease = lease
        self.processed = lease.checkpoint
    }

    var description: String {
        "\(self.key) at \(self.next.map { "\($0)" } ?? "its start")\(self.isBusy ? ", busy" : "")"
            + "\(self.stop.map { ", stopping: \($0)" } ?? "")"
    }

    var isLost: Bool { if case .lost? = self.stop { true } else { false } }
}
