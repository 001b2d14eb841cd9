// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel

@Suite struct BackfillPlanTests {
    private func take(_ plan: inout BackfillPlan, _ index: UInt64, _ partition: String, bytes: UInt64 = 10) {
        _ = plan.take(
            partition, first: Samples.number(index), last: Samples.number(index), records: 1, bytes: bytes)
    }

    @Test func `A file ends behind the record that brings its last byte, and no sooner`() {
        for size in [1, 9, 10, 11, 19, 20, 21] as [UInt64] {
            var plan = BackfillPlan(fileBytes: size)
            var ends: [UInt64] = []
            for index in 0..<6 as Range<UInt64> {
                #expect(plan.room("a") >= 1)
                self.take(&plan, index, "a")
                ends += plan.cut(["a"]).map(\.last.index)
            }
            let records = (size + 9) / 10
            #expect(ends == (1...6).filter { $0 % records == 0 }.map { $0 - 1 }, "\(size)")
            #expect(plan.rest().map(\.records) == (6 % records == 0 ? [] : [6 % records]))
        }
    }

    @Test func `With too many open files the one that was used least ends, and with too many that compress it rests`() {
        for open in 1...4 {
            var plan = BackfillPlan(fileBytes: 1000, openMax: open, activeMax: 1)
            for index in 0..<UInt64(open) {
                self.take(&plan, index, "p\(index)")
                #expect(plan.cut(["p\(index)"]).isEmpty)
            }
            self.take(&plan, UInt64(open), "p0")
            #expect(plan.cut(["p0"]).isEmpty)
            let turn = plan.take(
                "new", first: Samples.number(9), last: Samples.number(9), records: 1, bytes: 1)
            #expect(turn.isNew && turn.rests == "p0")
            #expect(plan.cut(["new"]).map(\.partition) == [open == 1 ? "p0" : "p1"])
            #expect(plan.files.count == open)
        }
    }

    @Test func `What one file has whole is there, and what it has partly is told`() throws {
        let stream = try StreamName("a-shardId-000000000003")
        func name(_ first: UInt64, _ last: UInt64, copy: Int = 1) -> String {
            FileName.of(
                stream, first: Samples.number(first), last: Samples.number(last), .zstd(level: 3), copy: copy)
        }
        let coverage = Coverage(
            [name(10, 20), name(30, 30, copy: 2), "a-other", name(40, 50) + ".old", "a-shardId-000000000003-x-y"],
            of: stream, Samples.shard)
        let cases: [(UInt64, UInt64, String)] = [
            (0, 9, "free"), (0, 10, "partly"), (10, 10, "there"), (10, 20, "there"), (12, 15, "there"),
            (9, 20, "partly"), (10, 21, "partly"), (20, 21, "partly"), (21, 29, "free"), (30, 30, "there"),
            (29, 31, "partly"), (31, 39, "free"), (45, 50, "there"), (51, 60, "free"), (0, 99, "partly"),
        ]
        for (first, last, expected) in cases {
            let answer = coverage.answer(first: Samples.number(first), last: Samples.number(last))
            #expect("\(answer)".hasPrefix(expected), "\(first) to \(last): \(answer)")
        }
        let other = Coverage([name(10, 20)], of: stream, ShardNumber(4))
        #expect(other.answer(first: Samples.number(10), last: Samples.number(20)) == .free)
    }
}
