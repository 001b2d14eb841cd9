// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirEngine

@Suite struct AfterDurableTests {
    private func take<Action>(
        _ waiting: inout AfterDurable<Action>, _ watermark: Watermark
    ) -> (done: [Action], failed: [Action]) {
        var (done, failed): ([Action], [Action]) = ([], [])
        while let (action, isReached) = waiting.popSettled(watermark) {
            if isReached { done.append(action) } else { failed.append(action) }
        }
        return (done, failed)
    }

    @Test func `Actions come in the order of their marks, once, when those are reached`() {
        var waiting = AfterDurable<String>()
        waiting.add(TestMarks.mark(5), "five")
        waiting.add(TestMarks.mark(3), "three")
        waiting.add(TestMarks.mark(5), "five again")
        waiting.add(TestMarks.mark(9), "nine")
        #expect(self.take(&waiting, TestMarks.watermark(2)) == ([], []))
        #expect(self.take(&waiting, TestMarks.watermark(5)) == (["three", "five", "five again"], []))
        #expect(self.take(&waiting, TestMarks.watermark(5)) == ([], []))
        #expect(waiting.count == 1)
        #expect(self.take(&waiting, TestMarks.watermark(100)) == (["nine"], []))
    }

    @Test func `What waited in a failed term is given up, whatever the next term reaches`() {
        var waiting = AfterDurable<Int>()
        for lsn in UInt64(1)...6 { waiting.add(TestMarks.mark(lsn), Int(lsn)) }
        // The next term's marks may come before the loop has heard that the last one is over.
        waiting.add(TestMarks.mark(3, term: 2), 23)
        #expect(self.take(&waiting, TestMarks.watermark(2)) == ([1, 2], []))
        let over = TestMarks.watermark(4, isOver: true)
        var twice = waiting
        #expect(self.take(&waiting, over) == ([3, 4], [5, 6]))
        #expect(self.take(&waiting, TestMarks.watermark(2, term: 2, after: over)) == ([], []))
        #expect(self.take(&waiting, TestMarks.watermark(3, term: 2, after: over)) == ([23], []))
        // The failure was never heard of, only the next term: the same.
        #expect(self.take(&twice, TestMarks.watermark(100, term: 2, after: over)) == ([3, 4, 23], [5, 6]))
    }

    @Test func `Reports to a loop are joined where they say the same, and never reordered`() {
        var reports = LaneInbox.Reports()
        let shard = ShardRef(stream: StreamID(1), shard: ShardNumber(1))
        let over = TestMarks.watermark(5, isOver: true)
        let next = TestMarks.watermark(7, term: 2, after: over)
        reports.add(.durable(TestMarks.watermark(3), shards: [shard]))
        reports.add(.durable(TestMarks.watermark(5), shards: [shard]))
        reports.add(.durable(TestMarks.watermark(4), shards: []))
        reports.add(.failed(over, reason: "x"))
        reports.add(.recovered(next))
        reports.add(.durable(TestMarks.watermark(9, term: 2, after: over), shards: []))
        #expect(
            reports.reports == [
                .durable(TestMarks.watermark(5)), .failed(over, reason: "x"), .recovered(next),
                .durable(TestMarks.watermark(9, term: 2, after: over)),
            ])
        #expect(reports.shards == [shard, shard] && !reports.allShards)
        for _ in 0..<3 {
            reports.add(
                .durable(
                    TestMarks.watermark(10, term: 2, after: over),
                    shards: Array(repeating: shard, count: LaneInbox.Reports.shardsMax / 2)))
        }
        #expect(reports.allShards && reports.shards.isEmpty, "the list is bounded")
        reports.add(.durable(TestMarks.watermark(80, term: 3, after: next), shards: []))
        #expect(reports.reports.count == 5, "those of two terms are two")
    }
}
