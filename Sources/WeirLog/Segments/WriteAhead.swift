// SPDX-License-Identifier: Apache-2.0

/// Decides when zeros are written into a segment that was never written before. No I/O, no clock.
///
/// The file system must note, with every commit into a new file, that the blocks hold data now; after zeros it need
/// not, and a small commit takes half the time. But zeros take bandwidth from the same disk: at full speed they made
/// the slowest hundredth of 4 KiB commits 30 times slower, and under large commits they cost more than they bring. So
/// a piece is written only while no commit is, and on average not faster than the rate allows. What is not filled when
/// the log gets there is used as it is.
package struct WriteAhead: Sendable {
    /// Bytes of one piece: a commit that comes while a piece is written waits about as long as for another commit.
    package static let pieceBytes = 256 << 10
    /// Bytes a second while commits come.
    package static let busyRate = 16 << 20
    /// Bytes a second when no commit came for `quietNanos`.
    package static let quietRate = 128 << 20
    package static let quietNanos: UInt64 = 1_000_000_000
    /// Bytes that may be saved up by not writing.
    package static let savingsMax = 4 * pieceBytes

    private var savings = 0
    private var lastNanos: UInt64?
    private var lastCommitNanos: UInt64?

    package init() {}

    /// A commit was handed to the disk or came back.
    package mutating func commit(nowNanos: UInt64) { self.lastCommitNanos = nowNanos }

    /// Whether a piece may be written now; if so, it counts. `isIdle`: no commit is being written or waits for it.
    package mutating func mayWrite(nowNanos: UInt64, isIdle: Bool) -> Bool {
        self.save(nowNanos)
        guard isIdle, self.savings >= Self.pieceBytes else { return false }
        self.savings -= Self.pieceBytes
        return true
    }

    private mutating func save(_ nowNanos: UInt64) {
        guard let last = self.lastNanos else {
            self.lastNanos = nowNanos
            self.savings = Self.pieceBytes
            return
        }
        guard nowNanos > last else { return }
        let isBusy = self.lastCommitNanos.map { nowNanos < $0 || nowNanos - $0 < Self.quietNanos } ?? false
        let rate = isBusy ? Self.busyRate : Self.quietRate
        // More than a second saves no more than a second does, which is beyond the most that may be saved anyway.
        let micros = Int(min((nowNanos - last) / 1000, 1_000_000))
        let saved = micros * rate / 1_000_000
        // A time too short to bring a byte is counted with the next one.
        guard saved > 0 else { return }
        self.lastNanos = nowNanos
        self.savings = min(Self.savingsMax, self.savings + saved)
    }
}
