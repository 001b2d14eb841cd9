// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirLog

/// Which commit takes what comes, and what may wait for the next one.
@Suite struct CommitBoundsTests {
    private static let small = CommitBounds(closeBytes: 1000, waitingBytes: 100, bufferBytes: 5000)

    @Test(arguments: [
        // An empty commit takes anything.
        (length: 128, isEmpty: true, promised: 0, bytes: 1_000_000, takes: true),
        (length: 500, isEmpty: false, promised: 0, bytes: 500, takes: true),
        (length: 500, isEmpty: false, promised: 0, bytes: 501, takes: false),
        (length: 1000, isEmpty: false, promised: 0, bytes: 0, takes: true),
        // What was promised is kept beyond the limit, and nothing more.
        (length: 900, isEmpty: false, promised: 2000, bytes: 1500, takes: true),
        (length: 1400, isEmpty: false, promised: 2000, bytes: 1501, takes: false),
        (length: 128, isEmpty: false, promised: 10, bytes: 872, takes: true),
    ])
    func aCommitTakesWhatFitsOrWasPromised(length: Int, isEmpty: Bool, promised: Int, bytes: Int, takes: Bool) {
        var room = CommitRoom(Self.small)
        if promised > 0 { room.promise(promised, after: 900) }
        #expect(room.takes(bytes, after: length, isEmpty: isEmpty) == takes)
    }

    @Test func eventsWaitUpToTheirBoundInBytesOfACommit() {
        var waiting = WaitingEvents(Self.small)
        func add(_ kind: UInt16, payloadBytes: Int) -> Bool {
            waiting.add(kind: kind, payload: [UInt8](repeating: 1, count: payloadBytes))
        }
        // 8 bytes of head, padded to 8: 16, 24, 32 bytes.
        let added = [add(35, payloadBytes: 1), add(34, payloadBytes: 9), add(33, payloadBytes: 24)]
        #expect(added == [true, true, true])
        #expect(waiting.bytes == 72)
        let refused = add(35, payloadBytes: 25)
        #expect(!refused, "40 bytes, 28 are left")
        #expect(waiting.bytes == 72 && waiting.count == 3)
        let more = [add(35, payloadBytes: 0), add(35, payloadBytes: 8)]
        #expect(more == [true, true])
        #expect(waiting.bytes == 96)
        let all = waiting.takeAll()
        #expect(all.map(\.kind) == [35, 34, 33, 35, 35])
        #expect(waiting.isEmpty && waiting.bytes == 0)
        let again = add(35, payloadBytes: 25)
        #expect(again)
    }

    /// A start must be able to read the largest commit that a log can make.
    @Test func theLargestCommitIsOneThatAStartReads() {
        let bounds = CommitBounds.standard
        #expect(
            CommitHeader.bytes + bounds.waitingBytes + CommitBounds.requestBytesMax <= LogFormat.commitBytesMax)
        #expect(CommitBounds.requestBytesMax >= Limits.frameBytesMax + Limits.putRecordsMax * (Placement.bytes + 16))
        #expect(bounds.bufferBytes % LogFormat.block == 0 && bounds.bufferBytes >= bounds.closeBytes)
    }
}
