// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The way of one shard's records: they are sent in order; when some are refused nothing newer goes before them.
struct Lane {
    let shard: ShardNumber
    /// Not sent, in order.
    var queue = Queue<Run>()
    /// Sent and refused, or lost with their connection; older than everything in `queue`, in no order yet.
    var returned: [Run] = []
    /// Requests without an answer that hold records of this lane.
    var outstanding = 0
    /// Sends nothing until `outstanding` is 0, every request up to `blockedThrough` is answered, and it is `retryAt`.
    var isBlocked = false
    var blockedThrough: UInt64 = 0
    /// In nanoseconds.
    var retryAt: UInt64 = 0
    var pace = RetryPace()
    /// Chunks with records of this lane that failed: what is younger waits until their failure has been reported.
    var gates: [UInt64] = []
    /// Whether it stands in the machine's line of lanes that have something to send.
    var isInLine = false

    init(shard: ShardNumber) {
        self.shard = shard
    }

    /// Puts what came back in front again, in order.
    mutating func restore() {
        guard !self.returned.isEmpty else { return }
        self.returned.sort { $0.place < $1.place }
        self.queue.prepend(self.returned)
        self.returned.removeAll(keepingCapacity: true)
    }

    /// When the oldest record that is not under way was submitted.
    var oldestSubmittedAt: UInt64? {
        let returned = self.returned.min { $0.place < $1.place }
        return (returned ?? self.queue.first)?.chunk.submittedAt
    }

    /// Everything that is not under way, in order; the lane is empty then.
    mutating func takeAll() -> [Run] {
        self.restore()
        return self.queue.removeAll()
    }
}
