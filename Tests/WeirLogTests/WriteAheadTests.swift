// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// When zeros may be written ahead, and how fast.
@Suite struct WriteAheadTests {
    private static let milli: UInt64 = 1_000_000

    /// Asks every `step` nanoseconds for as long as `seconds`, as often as it is allowed each time. Returns the bytes.
    private func ask(
        _ ahead: inout WriteAhead, from start: UInt64, seconds: UInt64, step: UInt64, isIdle: (UInt64) -> Bool
    ) -> Int {
        var bytes = 0
        var now = start
        while now < start + seconds * 1_000_000_000 {
            let idle = isIdle(now)
            if !idle { ahead.commit(nowNanos: now) }
            while ahead.mayWrite(nowNanos: now, isIdle: idle) { bytes += WriteAhead.pieceBytes }
            now += step
        }
        return bytes
    }

    @Test func noPieceIsWrittenWhileACommitIs() {
        var ahead = WriteAhead()
        #expect(self.ask(&ahead, from: 0, seconds: 5, step: Self.milli) { _ in false } == 0)
    }

    @Test(arguments: [1_000, 100_000, milli, 25 * milli, 999 * milli, 3_000 * milli] as [UInt64])
    func besideCommitsNoMoreIsWrittenThanTheBusyRateAllows(step: UInt64) {
        var ahead = WriteAhead()
        var turn = 0
        // A commit every other look, so that the log is never quiet.
        let bytes = self.ask(&ahead, from: 0, seconds: 6, step: step) { _ in
            turn += 1
            return turn % 2 == 0
        }
        let most = 6 * WriteAhead.busyRate + WriteAhead.savingsMax
        // Looks that lie further apart than the quiet time see a quiet log in between: what may be saved bounds that.
        let looks = Int(6_000 * Self.milli / step) + 1
        #expect(bytes <= min(most, looks * WriteAhead.savingsMax))
        if step <= 25 * Self.milli { #expect(bytes >= 5 * WriteAhead.busyRate) }
    }

    @Test func aQuietLogIsFilledFaster() {
        var ahead = WriteAhead()
        let bytes = self.ask(&ahead, from: 0, seconds: 4, step: Self.milli) { _ in true }
        #expect(bytes > 3 * WriteAhead.quietRate)
        #expect(bytes <= 4 * WriteAhead.quietRate + WriteAhead.savingsMax)
    }

    /// Around the moment at which a log counts as quiet.
    @Test(arguments: [-1, 0, 1] as [Int64]) func aLogIsQuietAfterASecondWithoutCommits(offset: Int64) {
        var ahead = WriteAhead()
        let start: UInt64 = 10_000 * Self.milli
        ahead.commit(nowNanos: start)
        while ahead.mayWrite(nowNanos: start, isIdle: true) {}
        // Ten milliseconds are less than a piece at the busy rate, and all that may be saved at the quiet one.
        let moment = UInt64(Int64(start + WriteAhead.quietNanos) + offset)
        while ahead.mayWrite(nowNanos: moment - 10 * Self.milli, isIdle: true) {}
        var bytes = 0
        while ahead.mayWrite(nowNanos: moment, isIdle: true) { bytes += WriteAhead.pieceBytes }
        #expect((bytes > 0) == (offset >= 0))
    }

    @Test func aClockAtTheEdgesDoesNotTrap() {
        var ahead = WriteAhead()
        for now in [0, 1, .max / 2, .max - 1, .max, 5, 0] as [UInt64] {
            ahead.commit(nowNanos: now)
            var pieces = 0
            while ahead.mayWrite(nowNanos: now, isIdle: true) { pieces += 1 }
            #expect(pieces <= WriteAhead.savingsMax / WriteAhead.pieceBytes)
        }
    }
}
