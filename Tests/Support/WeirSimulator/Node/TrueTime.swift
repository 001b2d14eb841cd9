// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What the simulator knows of the time and no node can know: by how much the wall clock lies, since when, and what
/// may rightly be gone for good. It judges by this, and by no reading of the node.
///
/// A node may take a clock for right that lies ahead, when it ran steadily for as long as it lies, and at most for an
/// hour or a day: more cannot be asked of it. Nothing else is an excuse.
struct TrueTime {
    /// Drift that a node follows, and the time between two looks.
    private static let slackMillis: Int64 = 2_000

    private let waitMax: Int64
    /// Wall clock less truth.
    private(set) var error: Int64 = 0
    /// Somebody has set it: what was hidden may show again, and so may what a change of retention found hidden.
    private(set) var hasJumped = false
    /// How long the clock has lied in this way.
    private var steadyMillis: Int64 = 0
    /// The most by which a node may ever have believed a clock that was ahead.
    private(set) var believable: Int64 = 0
    /// Of each stream: what was stamped before may be gone, because an operator said so.
    private var givenUpBefore: [StreamID: Int64] = [:]

    init(isSynchronized: Bool) { self.waitMax = isSynchronized ? 3_600_000 : 86_400_000 }

    var isRight: Bool { self.error == 0 }

    /// The clock was set.
    mutating func jumped(by millis: Int64) {
        self.error += millis
        self.hasJumped = true
        self.steadyMillis = 0
    }

    /// Time passed, and the clock went on as it was.
    mutating func passed(_ millis: Int64) {
        self.steadyMillis += millis
        if self.mayBeBelieved(after: 0) { self.believable = max(self.believable, self.error) }
    }

    /// Whether a node may believe the clock, wrong as it is, when it has run on for so long.
    func mayBeBelieved(after millis: Int64) -> Bool {
        guard self.error != 0 else { return false }
        let ahead = abs(self.error - (self.error > 0 ? min(self.believable, self.error) : 0))
        return self.steadyMillis + millis >= min(ahead, self.waitMax)
    }

    /// Records of the stream that were stamped before may be gone from now on.
    mutating func giveUp(_ stream: StreamID, before millis: Int64) {
        self.givenUpBefore[stream] = max(self.givenUp(stream), millis)
    }

    func givenUp(_ stream: StreamID) -> Int64 { self.givenUpBefore[stream] ?? 0 }

    /// The latest time by which a node may have destroyed, when the wall clock says this.
    func destroying(wallMillis: Int64) -> Int64 { wallMillis - self.error + self.believable + Self.slackMillis }

    /// What was stamped and put from then on must be there, now that the clock is right.
    func kept(_ stream: StreamID, retentionMillis: Int64, wallMillis: Int64) -> Int64 {
        max(self.givenUp(stream), self.destroying(wallMillis: wallMillis) - retentionMillis)
    }
}
