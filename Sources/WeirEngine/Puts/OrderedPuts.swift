// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The server's side of ordered puts on one connection: a refusal is prefix-closed per shard.
///
/// A client has many puts under way. When the server refuses the records of put 5 for a shard, puts 6 and 7 may be on
/// their way already; to admit them would store 6 before 5 is sent again. So after a refusal everything of that shard
/// is refused (`behind`) until a put says, by `seenThrough`, that its sender has seen every refusal: what it sends then
/// it has put in order again. The rule: *a put is admitted for a shard only if nothing of that shard was refused with a
/// sequence above the put's `seenThrough`.*
///
/// Per request: `begin`, then for each group `mayAdmit` and, if so and if limits allow, admit; for what is not
/// admitted, also for the rest of a group that was admitted in part, `refused`. A put whose groups nobody looked at is
/// `skipped`. When a commit fails, its puts are `refused` too, before anything else is admitted: they are sent again,
/// if at all.
///
/// What is kept is bounded by what was refused and not yet seen.
package struct OrderedPuts: Hashable, Sendable {
    /// The highest refused sequence of a shard.
    private var refusals: [ShardRef: UInt64] = [:]
    private var highestRefused: UInt64 = 0
    /// The highest sequence that a put may have had which nobody looked at: it counts for every shard.
    private var skippedThrough: UInt64 = 0
    private var hasSkipped = false
    private var lastSequence: UInt64 = 0
    private var lastSeenThrough: UInt64 = 0
    /// `refusals` is swept when it has grown to this.
    private var sweepAt = Self.sweepAtLeast
    private static let sweepAtLeast = 64
    /// Shards for which refusals are remembered one by one; with more, a refusal counts for every shard.
    package static let shardsMax = 1024

    package init() {}

    /// Shards for which a refusal is remembered.
    package var count: Int { self.refusals.count }

    /// A put with a sequence above 0 begins. Sequences rise, `seenThrough` does not fall and is below the sequence;
    /// otherwise the whole put is refused with `invalidArgument` and nothing changes.
    package mutating func begin(sequence: UInt64, seenThrough: UInt64) throws(WeirError) {
        guard sequence > self.lastSequence else {
            throw WeirError(
                .invalidArgument, "sequence \(sequence) of a put does not rise: the last one was \(self.lastSequence)")
        }
        guard seenThrough < sequence, seenThrough >= self.lastSeenThrough else {
            throw WeirError(
                .invalidArgument,
                "a put with sequence \(sequence) has seen through \(self.lastSeenThrough) to \(sequence - 1), "
                    + "not \(seenThrough)")
        }
        if self.hasSkipped {
            self.skippedThrough = sequence - 1
            self.hasSkipped = false
        }
        self.lastSequence = sequence
        self.lastSeenThrough = seenThrough
        if self.highestRefused <= seenThrough {
            self.refusals.removeAll()
        } else if self.refusals.count >= self.sweepAt {
            self.refusals = self.refusals.filter { $0.value > seenThrough }
            self.sweepAt = max(Self.sweepAtLeast, 2 * self.refusals.count)
        }
    }

    /// Whether nothing is refused that the put has not seen: then it may be admitted to any shard.
    package func mayAdmitAll(seenThrough: UInt64) -> Bool {
        self.refusals.isEmpty && self.skippedThrough <= seenThrough
    }

    /// Whether records of the put that has begun may be admitted to the shard. `ancestors` are the closed shards that
    /// handed their keys down to this one; a refusal there counts here, or a split would let a later record of a key
    /// overtake an earlier one. They are asked for only when something is refused at all.
    package func mayAdmit(
        _ shard: ShardRef, sequence: UInt64, seenThrough: UInt64, ancestors: () -> [ShardNumber] = { [] }
    ) -> Bool {
        guard self.skippedThrough <= seenThrough else { return false }
        if self.refusals.isEmpty { return true }
        if let refused = self.refusals[shard], refused > seenThrough { return false }
        for ancestor in ancestors() {
            if let refused = self.refusals[ShardRef(stream: shard.stream, shard: ancestor)], refused > seenThrough {
                return false
            }
        }
        return true
    }

    /// Records of the put with `sequence` for the shard were not admitted, or were lost with their commit.
    package mutating func refused(_ shard: ShardRef, sequence: UInt64) {
        self.highestRefused = max(sequence, self.highestRefused)
        if self.refusals.count >= Self.shardsMax, self.refusals[shard] == nil {
            // Who is refused in so many shards goes on in none before it has seen why: that keeps every order too.
            self.refusals.removeAll()
            self.skippedThrough = max(self.skippedThrough, self.highestRefused)
            return
        }
        self.refusals[shard] = max(sequence, self.refusals[shard] ?? 0)
    }

    /// A put was refused before its sequence and groups were read: no credit, no memory, malformed. Its sequence lies
    /// below that of the next put that is read, and any shard may have been in it.
    package mutating func skipped() {
        self.hasSkipped = true
    }
}
