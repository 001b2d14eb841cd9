// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The checkpoints of one lease (docs/kinesis-semantics.md, Leases and checkpoints): which are allowed, which must be
/// written, and who waits for them. One is under way at a time; what is asked for meanwhile is
/// written together, by its newest. Pure.
package struct LeaseProgress: Sendable {
    /// Who waits for a checkpoint: a number that the caller chose.
    package typealias Ticket = UInt64

    /// Tickets that may wait for one lease.
    package static let waitingMax = 1024

    /// Known to be stored.
    package private(set) var saved: LeaseCheckpoint
    /// The highest that was ever asked for: no other may be lower.
    package private(set) var asked: LeaseCheckpoint
    /// Everything up to here was given to the processor: no checkpoint may be higher.
    package private(set) var delivered: LeaseCheckpoint
    /// Being stored.
    package private(set) var inFlight: LeaseCheckpoint?
    /// To be stored next.
    private var next: LeaseCheckpoint?
    private var waiting: [(ticket: Ticket, position: LeaseCheckpoint)] = []
    /// All of a closed shard was delivered: what covers its last record is the end of the shard.
    private var lastRecord: LeaseCheckpoint?

    package init(_ checkpoint: LeaseCheckpoint) {
        self.saved = checkpoint
        self.asked = checkpoint
        self.delivered = checkpoint
    }

    package var isSettled: Bool { self.inFlight == nil }

    /// Records up to `position` are given to the processor; or, when it could not process them, only up to there again.
    package mutating func deliver(_ position: LeaseCheckpoint) {
        self.delivered = position.isAtOrAfter(self.asked) ? position : self.asked
    }

    /// Everything of the closed shard has been processed.
    package mutating func reachEnd() {
        guard self.lastRecord == nil else { return }
        self.lastRecord = self.delivered
        self.delivered = .shardEnd
    }

    package enum Verdict: Equatable, Sendable {
        case refused(WeirError)
        /// It is stored already.
        case settled
        /// Store this now.
        case save(LeaseCheckpoint)
        /// It will be stored with what is under way or comes next.
        case waits
    }

    /// Asks for a checkpoint; `nil` is all that was delivered.
    package mutating func ask(_ wanted: LeaseCheckpoint?, _ ticket: Ticket?) -> Verdict {
        var position = wanted ?? self.delivered
        if let lastRecord, position.isAtOrAfter(lastRecord) { position = .shardEnd }
        guard self.delivered.isAtOrAfter(position) else {
            return .refused(Self.outside("beyond \(self.delivered), the last record that was delivered", position))
        }
        guard position.isAtOrAfter(self.asked) else {
            return .refused(Self.outside("before \(self.asked), the last checkpoint", position))
        }
        guard !self.saved.isAtOrAfter(position) else { return .settled }
        if let ticket {
            guard self.waiting.count < Self.waitingMax else {
                return .refused(
                    WeirError(.limitExceeded, "\(Self.waitingMax) checkpoints of this shard are waiting already"))
            }
            self.waiting.append((ticket, position))
        }
        self.asked = position
        guard let inFlight else {
            self.inFlight = position
            return .save(position)
        }
        if !inFlight.isAtOrAfter(position) { self.next = position }
        return .waits
    }

    private static func outside(_ what: String, _ position: LeaseCheckpoint) -> WeirError {
        WeirError(.invalidArgument, "a checkpoint at \(position) is \(what)")
    }

    /// What was under way is stored. Returns who waited for it, and what to store now.
    package mutating func saveDone() -> (settled: [Ticket], next: LeaseCheckpoint?) {
        if let inFlight { self.saved = inFlight }
        return (self.endSave(), self.inFlight)
    }

    /// What was under way may not be stored. Those who waited for it are to be told; what is newer is tried.
    package mutating func saveFailed() -> (failed: [Ticket], next: LeaseCheckpoint?) {
        (self.endSave(), self.inFlight)
    }

    /// What was asked for and is neither stored nor under way, to be stored now.
    package mutating func saveAgain() -> LeaseCheckpoint? {
        guard self.inFlight == nil, !self.saved.isAtOrAfter(self.asked) else { return nil }
        self.inFlight = self.asked
        return self.asked
    }

    /// Returns the tickets that what was under way covered.
    private mutating func endSave() -> [Ticket] {
        guard let done = self.inFlight else { return [] }
        let covered = self.waiting.filter { done.isAtOrAfter($0.position) }.map(\.ticket)
        self.waiting.removeAll { done.isAtOrAfter($0.position) }
        self.inFlight = self.next
        self.next = nil
        return covered
    }

    /// Nothing more will be stored. Returns everybody who waits.
    package mutating func abandon() -> [Ticket] {
        defer { self.waiting = [] }
        self.next = nil
        return self.waiting.map(\.ticket)
    }
}
