// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Testing
import WeirLog
import WeirModel
import WeirProtocol
import WeirServer
import WeirTestKit

@Suite struct PendingAnswersTests {
    private func ping(_ correlation: UInt64) -> [UInt8] {
        PingAnswer(serverTimeMillis: 1).frame(.pingAnswer, correlation: correlation)
    }

    private func put(_ correlation: UInt64) -> [UInt8] {
        var writer = PutRecordsAnswerWriter(mapVersion: 1, entries: 1)
        writer.append(PutEntry(shard: ShardNumber(0), count: 1, refused: .behind))
        return writer.finish(correlation: correlation)
    }

    private func frames(_ segments: [PendingAnswers.Segment]) -> [(FrameType?, UInt64)] {
        segments.flatMap { segment -> [(FrameType?, UInt64)] in
            var found: [(FrameType?, UInt64)] = []
            segment.frames.withUnsafeReadableBytes { raw in
                var offset = 0
                while offset < raw.count {
                    guard let header = try? FrameHeader(reading: raw.slice(offset, raw.count - offset)) else { return }
                    found.append((header.type, header.correlation))
                    offset += header.totalLength
                }
            }
            return found
        }
    }

    private func release(_ pending: inout PendingAnswers, _ lsn: UInt64) -> [PendingAnswers.Segment] {
        var released: [PendingAnswers.Segment] = []
        while let segment = pending.popSettled(TestMarks.watermark(lsn), reason: "") { released.append(segment) }
        return released
    }

    @Test func `Answers go when their mark is reached, those of one mark together`() {
        var pending = PendingAnswers()
        pending.append(TestMarks.mark(5), frame: self.put(1), putBytes: 100)
        pending.append(TestMarks.mark(5), frame: self.put(2), putBytes: 50)
        pending.append(TestMarks.mark(6), frame: self.ping(3))
        #expect(self.release(&pending, 4).isEmpty)
        let first = self.release(&pending, 5)
        #expect(first.count == 1)
        #expect(first.first?.puts == 2 && first.first?.putBytes == 150)
        #expect(self.frames(first).map(\.1) == [1, 2])
        #expect(!pending.isEmpty)
        let second = self.release(&pending, 9)
        #expect(self.frames(second).map(\.1) == [3])
        #expect(second.first?.puts == 0)
        #expect(pending.isEmpty && pending.bytes == 0)
    }

    @Test func `An answer computed from an earlier commit does not wait for later ones`() {
        var pending = PendingAnswers()
        pending.append(TestMarks.mark(9), frame: self.put(1), putBytes: 1)
        pending.append(TestMarks.mark(3), frame: self.ping(2))
        pending.append(TestMarks.mark(7), frame: self.ping(3))
        pending.append(TestMarks.mark(3), frame: self.ping(4))
        pending.append(.none, frame: self.ping(5))
        #expect(self.frames(self.release(&pending, 0)).map(\.1) == [5])
        #expect(self.frames(self.release(&pending, 3)).map(\.1) == [2, 4])
        #expect(self.frames(self.release(&pending, 8)).map(\.1) == [3])
        #expect(self.frames(self.release(&pending, 9)).map(\.1) == [1])
    }

    @Test func `After a failed write puts are unknown and others unavailable; what was durable stays as it is`() throws
    {
        var pending = PendingAnswers()
        pending.append(TestMarks.mark(4), frame: self.put(1), putBytes: 10)
        pending.append(TestMarks.mark(5), frame: self.put(2), putBytes: 20)
        pending.append(TestMarks.mark(5), frame: self.ping(3))
        pending.append(TestMarks.mark(6), frame: self.put(4), putBytes: 30)
        var settled: [PendingAnswers.Segment] = []
        let over = TestMarks.watermark(4, isOver: true)
        while let segment = pending.popSettled(over, reason: "the disk is gone") { settled.append(segment) }
        #expect(settled.map(\.mark) == [TestMarks.mark(4), TestMarks.mark(5), TestMarks.mark(6)])
        #expect(self.frames([settled.removeFirst()]).map(\.0) == [.putRecordsAnswer])
        let failed = settled
        #expect(failed.map(\.putBytes) == [20, 30] && failed.map(\.puts) == [1, 1])
        #expect(self.frames(failed).map(\.0) == [.error, .error, .error])
        #expect(self.frames(failed).map(\.1) == [2, 3, 4])
        let errors = try failed.flatMap { segment in
            var errors: [WeirError] = []
            try segment.frames.withUnsafeReadableBytes { raw in
                var offset = 0
                while offset < raw.count {
                    let header = try FrameHeader(reading: raw.slice(offset, raw.count - offset))
                    errors.append(
                        try ErrorAnswer(payload: raw.slice(offset + FrameHeader.bytes, header.length)).error)
                    offset += header.totalLength
                }
            }
            return errors
        }
        #expect(errors.map(\.code) == [.outcomeUnknown, .unavailable, .outcomeUnknown])
        #expect(errors.allSatisfy { $0.message.contains("the disk is gone") && $0.verdict.maybeStored })
        #expect(pending.isEmpty && pending.bytes == 0)
        // An answer that comes when its term is over already, and one of the next term.
        pending.append(TestMarks.mark(5), frame: self.put(5), putBytes: 1)
        pending.append(TestMarks.mark(6, term: 2), frame: self.put(6), putBytes: 1)
        let next = TestMarks.watermark(6, term: 2, after: over)
        let late = pending.popSettled(next, reason: "late")
        #expect(self.frames([try #require(late)]).map(\.0) == [.error])
        let last = pending.popSettled(next, reason: "late")
        #expect(self.frames([try #require(last)]).map(\.0) == [.putRecordsAnswer])
    }

    @Test func `Whatever the order of coming, answers leave by their commits and none is lost`() {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        for _ in 0..<100 {
            var pending = PendingAnswers()
            var expected: [UInt64: [UInt64]] = [:]
            for correlation in UInt64(1)...40 {
                let lsn = UInt64.random(in: 1...10, using: &random)
                pending.append(TestMarks.mark(lsn), frame: self.ping(correlation))
                expected[lsn, default: []].append(correlation)
            }
            var seen: [UInt64: [UInt64]] = [:]
            var last = Mark.none
            for lsn in UInt64(1)...10 {
                for segment in self.release(&pending, lsn) {
                    #expect(last.precedes(segment.mark), "seed \(seed)")
                    last = segment.mark
                    seen[lsn, default: []] += self.frames([segment]).map(\.1)
                }
            }
            #expect(seen == expected, "seed \(seed)")
            #expect(pending.isEmpty && pending.bytes == 0, "seed \(seed)")
        }
    }
}
