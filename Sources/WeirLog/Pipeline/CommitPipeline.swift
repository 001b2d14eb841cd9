// SPDX-License-Identifier: Apache-2.0

/// Decides the order of commits: which may be written, which are acknowledged, which are lost. No I/O, no clock.
///
/// A commit is open, then closed (waiting), then writing (at most `depth` at once), then written; it is acknowledged
/// only when everything before it is, because recovery stops at the first hole. There is no timer: as soon as fewer
/// than `depth` are being written, what is there goes. After a failed write nothing is ever acknowledged again: the
/// owner starts a new term with a new pipeline.
package struct CommitPipeline: Sendable {
    package enum Phase: Equatable, Sendable {
        case running
        case failed
    }

    private enum Stage: Equatable {
        case closed
        case writing
        case written
    }

    private struct Commit {
        let lsn: LSN
        let bytes: Int
        var stage: Stage
    }

    package let depth: Int
    package private(set) var phase = Phase.running
    /// Everything up to here is on disk and may be told.
    package private(set) var watermark: LSN
    /// The number of the commit that is open now, or would be opened next.
    package private(set) var open: LSN
    /// Bytes closed and not yet acknowledged.
    package private(set) var pendingBytes = 0
    /// Why the disk takes no commit for now, in its own words, although its place in the log was promised; `nil`: it
    /// does.
    package private(set) var refusal: String?
    private var commits: [Commit] = []
    private var writing = 0

    /// A new term: `last` is the last valid commit, `next` the first number of the term.
    package init(last: LSN, next: LSN, depth: Int = LogFormat.depthMax) {
        precondition(next > last, "a commit number is never used twice")
        self.watermark = last
        self.open = next
        self.depth = depth
    }

    /// Whether another commit may go to the disk now.
    package var mayWrite: Bool { self.phase == .running && self.writing < self.depth }
    /// Up to here a commit takes about as long as its sync, whatever it holds.
    package static let smallBytes = 64 << 10

    /// Whether the open commit, which holds `bytes`, should close and go to the disk now. Beside a small commit, which
    /// is done in a moment, only one that is at least half as large goes. Otherwise two commits of a put or two fill
    /// both places, and the many puts that come a moment later wait behind both.
    package func mayWriteOpen(bytes: Int) -> Bool {
        guard self.mayWrite else { return false }
        guard let inFlight = self.commits.first(where: { $0.stage == .writing }) else { return true }
        return inFlight.bytes > Self.smallBytes || bytes >= inFlight.bytes - bytes
    }

    /// Commits closed and waiting for the disk.
    package var waiting: Int { self.commits.reduce(0) { $0 + ($1.stage == .closed ? 1 : 0) } }
    package var isIdle: Bool { self.commits.isEmpty }

    /// The open commit takes no more; the next number opens. Returns the number that was closed.
    package mutating func close(bytes: Int) -> LSN {
        let lsn = self.open
        self.commits.append(Commit(lsn: lsn, bytes: bytes, stage: .closed))
        self.pendingBytes += bytes
        self.open = lsn.next
        return lsn
    }

    /// The disk has no room for a commit that is being written. It was not written, nothing of it counts, and the same
    /// bytes go to the same place again: that is no failed write.
    package mutating func refused(_ reason: String) { self.refusal = reason }

    /// The oldest waiting commit goes to the disk.
    package mutating func startWriting() -> LSN? {
        guard self.mayWrite, let position = self.commits.firstIndex(where: { $0.stage == .closed }) else { return nil }
        self.commits[position].stage = .writing
        self.writing += 1
        return self.commits[position].lsn
    }

    /// A write and its sync returned success. Returns the commits that are acknowledged by it, in order.
    package mutating func written(_ lsn: LSN) -> [LSN] {
        guard self.phase == .running else { return [] }
        guard let position = self.commits.firstIndex(where: { $0.lsn == lsn && $0.stage == .writing }) else {
            preconditionFailure("\(lsn) was not being written")
        }
        self.commits[position].stage = .written
        self.writing -= 1
        self.refusal = nil
        var acknowledged: [LSN] = []
        while let first = self.commits.first, first.stage == .written {
            self.commits.removeFirst()
            self.pendingBytes -= first.bytes
            self.watermark = first.lsn
            acknowledged.append(first.lsn)
        }
        return acknowledged
    }

    /// A write or its sync failed: nothing above the watermark will be acknowledged in this term. Returns the commits
    /// whose outcome is unknown, the open one last.
    package mutating func failed() -> [LSN] {
        self.phase = .failed
        let lost = self.commits.map(\.lsn) + [self.open]
        self.commits.removeAll()
        self.writing = 0
        self.pendingBytes = 0
        return lost
    }
}
