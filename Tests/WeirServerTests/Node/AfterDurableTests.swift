// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel

@testable import WeirServer

@Suite struct AfterDurableTests {
    @Test func `Actions come in the order of their positions, once, when those are durable`() {
        var waiting = AfterDurable<String>()
        waiting.add(LSN(5), "five")
        waiting.add(LSN(3), "three")
        waiting.add(LSN(5), "five again")
        waiting.add(LSN(9), "nine")
        #expect(waiting.take(upTo: LSN(2)) == [])
        #expect(waiting.take(upTo: LSN(5)) == ["three", "five", "five again"])
        #expect(waiting.take(upTo: LSN(5)) == [])
        #expect(waiting.count == 1)
        #expect(waiting.take(upTo: LSN(100)) == ["nine"])
    }

    @Test func `After a failed write what lies above the durable position is given up`() {
        var waiting = AfterDurable<Int>()
        for lsn in UInt64(1)...6 { waiting.add(LSN(lsn), Int(lsn)) }
        #expect(waiting.fail(above: LSN(4)) == [5, 6])
        #expect(waiting.fail(above: LSN(4)) == [])
        #expect(waiting.take(upTo: LSN(100)) == [1, 2, 3, 4])
        #expect(waiting.fail(above: .none) == [])
    }

    @Test func `Reports to a loop are joined where they say the same, and never reordered`() {
        var reports = LoopInbox.Reports()
        let shard = ShardRef(stream: StreamID(1), shard: ShardNumber(1))
        reports.add(.durable(LSN(3), shards: [shard]))
        reports.add(.durable(LSN(5), shards: [shard]))
        reports.add(.durable(LSN(4), shards: []))
        reports.add(.failed(durable: LSN(5), reason: "x"))
        reports.add(.recovered)
        reports.add(.durable(LSN(9), shards: []))
        #expect(
            reports.reports == [.durable(LSN(5)), .failed(durable: LSN(5), reason: "x"), .recovered, .durable(LSN(9))])
        #expect(reports.shards == [shard, shard] && !reports.allShards)
        for _ in 0..<3 {
            reports.add(.durable(LSN(10), shards: Array(repeating: shard, count: LoopInbox.Reports.shardsMax / 2)))
        }
        #expect(reports.allShards && reports.shards.isEmpty, "the list is bounded")
    }
}
