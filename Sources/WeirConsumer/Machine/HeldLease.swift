// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A lease as its worker sees it, from the assignment until nothing of it runs and the server does not list it.
struct HeldLease: Sendable {
    enum Stage: Equatable, Sendable {
        case running
        /// Asked to finish.
        case stopping(WorkerMachine.StopReason)
        /// Stopped, while its last checkpoint is still being stored. Whether it is to be handed over then.
        case settling(handsOver: Bool)
        case handingOver
        /// Nothing is to be done: handed over, ended, or stopped for good.
        case resting(WorkerMachine.ShardOutcome)
        /// Told to stop; nothing is used any more. Runs until it has stopped.
        case lost(WeirError)
    }

    let key: LeaseKey
    var stage = Stage.running
    var progress: LeaseProgress
    /// The server asks for it.
    var isWanted: Bool
    /// The same shard again, to begin when this has stopped.
    var successor: AssignedLease?
    var handOverAgainAt: UInt64?
    /// A checkpoint was not stored, and it is not the lease's fault: it is tried again, also when nothing new comes.
    var saveAgainAt: UInt64?

    /// When something is to be tried again.
    var againAt: UInt64? {
        guard let handOver = self.handOverAgainAt, let save = self.saveAgainAt else {
            return self.handOverAgainAt ?? self.saveAgainAt
        }
        return min(handOver, save)
    }

    init(_ key: LeaseKey, _ lease: AssignedLease) {
        self.key = key
        self.progress = LeaseProgress(lease.checkpoint)
        self.isWanted = lease.isToBeHandedOver
    }

    /// Whether records may be processed and checkpoints stored.
    var isUsable: Bool {
        switch self.stage {
        case .running, .stopping: true
        case .settling, .handingOver, .resting, .lost: false
        }
    }

    /// Whether something of it is still under way that a shutdown waits for.
    var isBusy: Bool {
        switch self.stage {
        case .running, .stopping, .settling, .lost: true
        case .handingOver, .resting: false
        }
    }

    /// The end of the shard is stored, or being stored: the server stops listing the lease then, which is no loss. What
    /// the store says decides.
    var isEnding: Bool { self.isEnded || self.progress.inFlight == .shardEnd && self.isUsable }
    /// Nothing is left of it that could be lost.
    var isEnded: Bool { self.progress.saved == .shardEnd && self.isUsable }

    var isLost: Bool { if case .lost = self.stage { true } else { false } }
}
