// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// Which commit may be written, which is acknowledged, which is lost.
@Suite struct CommitPipelineTests {
    enum Event: CustomTestStringConvertible {
        case close
        /// The next one goes to the disk; this one is expected, or none.
        case start(UInt64?)
        /// A write succeeded; these are acknowledged by it.
        case written(UInt64, [UInt64])
        /// A write failed; the outcome of these is unknown.
        case failed([UInt64])

        var testDescription: String { "\(self)" }
    }

    /// Commits are numbered from 1; `watermark` and `waiting` are what is left at the end.
    static let histories: [(events: [Event], watermark: UInt64, waiting: Int)] = [
        ([], 0, 0),
        // Nothing to write.
        ([.start(nil)], 0, 0),
        ([.close], 0, 1),
        ([.close, .start(1)], 0, 0),
        ([.close, .start(1), .written(1, [1])], 1, 0),
        // Two at once, no third.
        ([.close, .close, .close, .start(1), .start(2), .start(nil)], 0, 1),
        ([.close, .close, .close, .start(1), .start(2), .written(1, [1]), .start(3), .start(nil)], 1, 0),
        // Out of order on the disk, in order to the world.
        ([.close, .close, .start(1), .start(2), .written(2, []), .written(1, [1, 2])], 2, 0),
        // The one that came first frees a place, though nothing is acknowledged yet.
        (
            [
                .close, .close, .close, .start(1), .start(2), .written(2, []), .start(3), .written(3, []),
                .written(1, [1, 2, 3]),
            ], 3, 0
        ),
        ([.close, .start(1), .written(1, [1]), .start(nil), .close, .start(2), .written(2, [2])], 2, 0),
        // After a failure nothing is acknowledged or written, what had been acknowledged stays.
        ([.failed([1])], 0, 0),
        ([.close, .failed([1, 2]), .start(nil)], 0, 0),
        ([.close, .close, .start(1), .start(2), .written(2, []), .failed([1, 2, 3]), .written(1, [])], 0, 0),
        ([.close, .start(1), .written(1, [1]), .close, .close, .start(2), .failed([2, 3, 4]), .written(2, [])], 1, 0),
        ([.failed([1]), .failed([1])], 0, 0),
    ]

    /// A disk without room is told, and no failure: the commit stays where it is, and what is written takes it back.
    @Test func aRefusedWriteIsTriedAgainUntilOneIsWritten() {
        var pipeline = CommitPipeline(last: .none, next: LSN(1))
        for _ in 0..<2 {
            _ = pipeline.close(bytes: 100)
            _ = pipeline.startWriting()
        }
        #expect(pipeline.refusal == nil)
        pipeline.refused("no space")
        pipeline.refused("still none")
        #expect(pipeline.refusal == "still none" && pipeline.phase == .running)
        #expect(pipeline.pendingBytes == 200 && pipeline.watermark == .none)
        #expect(pipeline.written(LSN(2)) == [])
        #expect(pipeline.refusal == nil)
        pipeline.refused("none for the first")
        #expect(pipeline.written(LSN(1)) == [LSN(1), LSN(2)])
        #expect(pipeline.refusal == nil)
    }

    @Test(arguments: histories)
    func aHistoryIsAcknowledgedInItsOrder(_ events: [Event], _ watermark: UInt64, _ waiting: Int) {
        var pipeline = CommitPipeline(last: .none, next: LSN(1))
        for (step, event) in events.enumerated() {
            switch event {
            case .close:
                let open = pipeline.open
                #expect(pipeline.close(bytes: 100) == open)
                #expect(pipeline.open == open.next)
            case .start(let expected): #expect(pipeline.startWriting()?.rawValue == expected, "step \(step)")
            case .written(let lsn, let expected):
                #expect(pipeline.written(LSN(lsn)).map(\.rawValue) == expected, "step \(step)")
            case .failed(let expected):
                #expect(pipeline.failed().map(\.rawValue) == expected, "step \(step)")
                #expect(pipeline.phase == .failed)
                #expect(!pipeline.mayWrite)
            }
        }
        #expect(pipeline.watermark.rawValue == watermark)
        #expect(pipeline.waiting == waiting)
    }

    @Test func aTermBeginsAboveTheLastOne() {
        var pipeline = CommitPipeline(last: LSN(70), next: LSN(134))
        #expect(pipeline.watermark == LSN(70))
        #expect(pipeline.close(bytes: 1) == LSN(134))
        #expect(pipeline.startWriting() == LSN(134))
        #expect(pipeline.written(LSN(134)) == [LSN(134)])
        #expect(pipeline.watermark == LSN(134))
    }

    @Test(arguments: 1...4) func bytesWaitUntilTheyAreAcknowledged(_ depth: Int) {
        for seed in 0..<200 as Range<UInt64> {
            var random = Numbers(state: seed)
            var pipeline = CommitPipeline(last: .none, next: LSN(1), depth: depth)
            var bytes: [LSN: Int] = [:]
            var writing: [LSN] = []
            var written: Set<LSN> = []
            for _ in 0..<60 {
                switch random.next() % 3 {
                case 0:
                    let size = Int(random.next() % 1000)
                    bytes[pipeline.close(bytes: size)] = size
                case 1:
                    let mayWrite = pipeline.mayWrite && pipeline.waiting > 0
                    let next = pipeline.startWriting()
                    #expect((next != nil) == mayWrite, "seed \(seed)")
                    if let next { writing.append(next) }
                default:
                    guard !writing.isEmpty else { continue }
                    let lsn = writing.remove(at: Int(random.next() % UInt64(writing.count)))
                    written.insert(lsn)
                    let before = pipeline.watermark
                    let acknowledged = pipeline.written(lsn)
                    // Exactly the whole beginning.
                    var expected: [LSN] = []
                    var next = before.next
                    while written.contains(next) {
                        expected.append(next)
                        next = next.next
                    }
                    #expect(acknowledged == expected, "seed \(seed)")
                    for one in acknowledged { bytes[one] = nil }
                }
                #expect(writing.count <= depth, "seed \(seed)")
                #expect(pipeline.pendingBytes == bytes.values.reduce(0, +), "seed \(seed)")
                #expect(pipeline.isIdle == bytes.isEmpty, "seed \(seed)")
            }
        }
    }

    /// Bytes in flight, bytes of the open commit, and whether it goes beside.
    static let besides: [(inFlight: Int, open: Int, goes: Bool)] = [
        (300, 300, true), (300, 150, true), (300, 149, false), (301, 150, false), (301, 151, true), (300, 5000, true),
        (1, 1, true), (40_000, 300, false), (40_000, 20_000, true), (40_000, 19_999, false),
        (CommitPipeline.smallBytes, CommitPipeline.smallBytes / 2, true),
        (CommitPipeline.smallBytes, CommitPipeline.smallBytes / 2 - 1, false),
        // One that takes long keeps nobody waiting.
        (CommitPipeline.smallBytes + 1, 1, true), (2 << 20, 300, true),
    ]

    @Test(arguments: besides)
    func besideASmallCommitGoesOneThatIsHalfAsLarge(_ inFlight: Int, _ open: Int, _ goes: Bool) {
        var pipeline = CommitPipeline(last: .none, next: LSN(1))
        #expect(pipeline.mayWriteOpen(bytes: open))
        let first = pipeline.close(bytes: inFlight)
        #expect(pipeline.startWriting() == first)
        #expect(pipeline.mayWriteOpen(bytes: open) == goes)
        // Whatever waited goes when the one before it has ended.
        #expect(pipeline.written(first) == [first])
        #expect(pipeline.mayWriteOpen(bytes: open))
    }

    @Test func besideTwoCommitsGoesNoneAndBesideTheOneThatIsLeftItIsJudgedByThat() {
        var pipeline = CommitPipeline(last: .none, next: LSN(1))
        let (first, second) = (pipeline.close(bytes: 1000), pipeline.close(bytes: 10_000))
        #expect(pipeline.startWriting() == first && pipeline.startWriting() == second)
        #expect(!pipeline.mayWriteOpen(bytes: 2 << 20))
        #expect(pipeline.written(first) == [first])
        #expect(!pipeline.mayWriteOpen(bytes: 4999) && pipeline.mayWriteOpen(bytes: 5000))
        _ = pipeline.failed()
        #expect(!pipeline.mayWriteOpen(bytes: 5000))
    }

    /// Any numbers do, as long as they are the same every time.
    private struct Numbers {
        var state: UInt64
        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return self.state >> 33
        }
    }
}
