// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Who asks, as its door knows it. Nobody is authenticated yet: everybody may do everything.
package struct Caller: Hashable, Sendable {
    /// What the client calls itself, for the operator's log.
    package var name = ""
    /// The session that it speaks for; 0 without one.
    package var session: UInt64 = 0
}

/// What a door does for one of its callers when the lane has news for it. On the lane's thread.
package protocol LaneMember: AnyObject {
    /// The log has moved on, or a term has ended: answers that wait may go. Returns whether none waits any more.
    func releaseAnswers() -> Bool
    /// A wait that the door began with `Lane.wait` is over.
    func woken(_ wait: UInt64)
    /// Whether records can be given to the caller now; else the door calls `Lane.sinkHasRoom` when they can.
    var hasRoom: Bool { get }
    /// Room may have come for a request that the door keeps.
    func lookAgain()
}

/// One caller on its lane: a connection of the native door, or whoever speaks through another. It counts what the
/// caller makes the node hold, and keeps the order of its puts.
package final class LaneCaller {
    /// Unique in the node.
    package let id: UInt64
    package var identity = Caller()
    /// All that the node holds for it.
    package var holdings: Holdings
    /// What it makes wait by itself, such as heartbeats: counted with its reads.
    package var otherUnderWay = 0 {
        didSet { self.countUnderWay() }
    }
    /// Only while the lane has the caller. A weak reference would make every use of the door's object slower.
    var member: (any LaneMember)?
    var ordered = OrderedPuts()
    /// Its reads and subscriptions by their ids.
    var reads: [UInt64: ReadTask] = [:] {
        didSet { self.countUnderWay() }
    }
    /// Positions that are being looked up for it.
    var lookups: Set<UInt64> = []
    /// Of `reads`, those that push.
    package internal(set) var subscriptionCount = 0
    /// Positions that are being looked up, and answers that wait for the log by themselves.
    package internal(set) var deferred = 0 {
        didSet { self.countUnderWay() }
    }
    /// The subscription that was served last when there was room again.
    var lastWithRoom: UInt64 = 0
    /// No read waits any more: the caller is to be told what there is.
    var isGoingDown = false
    var awaitsDurable = false

    package init(id: UInt64, on engine: Engine) {
        self.id = id
        self.holdings = Holdings(engine.heldMemory)
    }

    /// Reads that will be answered once.
    package var readCount: Int { self.reads.count - self.subscriptionCount }

    private func countUnderWay() {
        self.holdings.set(
            .underWay, (self.reads.count + self.deferred + self.otherUnderWay) * Holdings.requestBytes)
    }

    /// Puts of the caller were refused before anybody looked at their sequence.
    package func putsWereSkipped() { self.ordered.skipped() }
}
