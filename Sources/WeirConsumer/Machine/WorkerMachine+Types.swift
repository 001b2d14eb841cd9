// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// One time of holding a lease. `life` tells two of them apart that have one counter: a lease that was given up because
/// the server could not be heard, and came back.
package struct LeaseKey: Hashable, Sendable, CustomStringConvertible {
    package let shard: ShardNumber
    package let counter: UInt64
    package let life: UInt64

    package init(shard: ShardNumber, counter: UInt64, life: UInt64) {
        self.shard = shard
        self.counter = counter
        self.life = life
    }

    package var description: String { "the lease of \(self.shard) with counter \(self.counter)" }
}

extension WorkerMachine {
    /// Times in nanoseconds.
    package struct Settings: Hashable, Sendable {
        package var sessionTimeout: UInt64
        /// How long processors may take to finish at shutdown, before the worker leaves without them.
        package var drainTimeout: UInt64
        /// How long the server may be away before the worker gives up; `nil`: for ever.
        package var patience: UInt64?
        /// Pauses between attempts to join and to be heard.
        package var retry: RetryPolicy
        /// What the pauses are varied by: different for each worker.
        package var seed: UInt64

        package init(
            sessionTimeout: UInt64, drainTimeout: UInt64, patience: UInt64?, retry: RetryPolicy, seed: UInt64
        ) {
            self.sessionTimeout = sessionTimeout
            self.drainTimeout = drainTimeout
            self.patience = patience
            self.retry = retry
            self.seed = seed
        }

        /// How long a heartbeat asks the server to wait for news.
        package var waitMillis: UInt64 { self.sessionTimeout / 3_000_000 }
        /// Pauses between attempts to join and to be heard, for a session timeout. However long that is: a server that
        /// has begun anew does not know it, and expects the workers that its table names for the usual one only.
        package static func pauses(sessionTimeout: UInt64) -> RetryPolicy {
            let expected = min(sessionTimeout / 1_000_000, UInt64(Limits.sessionTimeoutMillisDefault))
            return RetryPolicy(firstPauseMillis: 20, longestPauseMillis: UInt32(clamping: max(20, expected / 8)))
        }

        /// How long leaving may take.
        package static let leaveNanos: UInt64 = 2_000_000_000
        /// How long after a refused hand-over it is tried again.
        package static let handOverPause: UInt64 = 1_000_000_000
        /// How long after a checkpoint could not be stored it is tried again.
        package static let savePause: UInt64 = 1_000_000_000
        /// How many session timeouts a worker waits for the id that it wants to be free.
        package static let idPatience: UInt64 = 3
    }

    package enum Event: Hashable, Sendable {
        case start
        /// Time has passed: see `nextDeadline`.
        case tick
        case joined(call: UInt64, Assignment)
        case joinFailed(call: UInt64, WeirError)
        case heartbeatAnswered(call: UInt64, Assignment)
        case heartbeatFailed(call: UInt64, WeirError)
        /// The processor is given records up to here.
        case delivered(LeaseKey, LeaseCheckpoint)
        /// All of the closed shard was processed.
        case reachedEnd(LeaseKey)
        /// Wants a checkpoint, `nil` is all that was delivered. The ticket is settled once; without one nobody waits.
        case checkpoint(LeaseKey, LeaseCheckpoint?, ticket: UInt64?)
        case checkpointSaved(LeaseKey)
        case checkpointFailed(LeaseKey, WeirError)
        /// The server refuses to read under this lease, or as the registered consumer that it was told to be.
        case readingRefused(LeaseKey, WeirError)
        /// Nothing of this lease runs any more. Comes once for each `.start`.
        case shardFinished(LeaseKey, ShardOutcome)
        case handedOver(LeaseKey)
        case handOverFailed(LeaseKey, WeirError)
        case shutdown
        /// Left, or given up to.
        case left
    }

    package enum ShardOutcome: Hashable, Sendable {
        /// As it was asked to.
        case stopped
        /// The end of the shard is checkpointed.
        case ended
        /// Its processor fails, and the policy is to stop.
        case failed
    }

    package enum StopReason: Hashable, Sendable {
        /// Finish what is being processed and checkpoint: another worker goes on.
        case handOver
        /// The same, because this worker ends.
        case shutdown
        /// Stop at once; no checkpoint will be taken.
        case lost(WeirError)
    }

    package enum Action: Hashable, Sendable {
        /// Calls that are not answered by their deadline have failed, with `timedOut`.
        case join(call: UInt64, deadline: UInt64)
        case heartbeat(call: UInt64, seen: UInt64, waitMillis: UInt64, deadline: UInt64)
        /// Process this shard from its checkpoint on.
        case start(LeaseKey, AssignedLease)
        case stop(LeaseKey, StopReason)
        case save(LeaseKey, LeaseCheckpoint)
        /// Send this checkpoint of a lease that is another's, so that the server says whose; settle the ticket by that.
        case askOwner(LeaseKey, LeaseCheckpoint, ticket: UInt64)
        case settle(ticket: UInt64, WeirError?)
        case handOver(LeaseKey)
        case leave(deadline: UInt64)
        /// It is over: nothing comes behind this. An error when it was not shut down.
        case finish(WeirError?)
    }
}
