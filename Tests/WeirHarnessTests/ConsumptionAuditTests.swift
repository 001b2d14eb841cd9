// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirHarness
import WeirModel

/// The judge of what workers did finds what is wrong, and nothing else.
@Suite struct ConsumptionAuditTests {
    private static let second: UInt64 = 1_000_000_000
    private let workload = Workload(seed: 1, producers: 1, keys: 1)

    private func place(_ index: Int, shard: UInt32 = 0) -> Place {
        Place(shard: ShardNumber(shard), index: UInt64(index))
    }

    /// Ten acknowledged records of one key.
    private func ledger() -> Ledger {
        let ledger = Ledger(self.workload, producer: 0)
        for index in 0..<10 { ledger.acknowledge(ledger.next(), at: self.place(index)) }
        return ledger
    }

    private func shard(_ number: UInt32, parents: [UInt32] = []) -> ShardDescription {
        ShardDescription(
            number: ShardNumber(number), range: .all, parents: parents.map { ShardNumber($0) }, creationSecond: 1,
            firstIndex: 0, createdAtMillis: 0, closed: nil)
    }

    private func judge(
        _ audit: ConsumptionAudit, _ shards: [ShardDescription]? = nil
    ) -> [String] {
        var report = Report("audit")
        audit.judge([self.ledger()], shards ?? [self.shard(0)], &report)
        return report.violations.first
    }

    /// These positions, a second apart.
    private func audit(_ positions: [Int], of worker: String = "a") -> ConsumptionAudit {
        let audit = ConsumptionAudit(self.workload)
        for (turn, position) in positions.enumerated() {
            audit.take(self.place(position), 0, position, of: worker, at: UInt64(turn + 1) * Self.second)
        }
        return audit
    }

    private func lease(_ index: UInt64) -> LeaseDescription {
        let number = SequenceNumber(
            shardCreationSecond: 1, shard: ShardNumber(0), index: index, arrivalSecond: 1)
        return LeaseDescription(
            shard: ShardNumber(0), owner: nil, counter: 1,
            checkpoint: .sequenceNumber(number, subSequence: nil), parents: [], ownerSwitchesSinceCheckpoint: 0,
            handingOverTo: nil, reset: nil, lag: .init(records: 0, millis: 0))
    }

    @Test func whatIsCompleteAndInOrderIsGood() {
        #expect(self.judge(self.audit(Array(0..<10))).isEmpty)
    }

    @Test func aRecordThatNobodyProcessedIsLost() {
        let said = self.judge(self.audit([0, 1, 2, 3, 5, 6, 7, 8, 9]))
        #expect(said == ["never processed: record 4 of 0, at shardId-000000000000/4"])
    }

    @Test func aWorkerThatSkipsAndComesBackIsFound() {
        #expect(self.judge(self.audit([0, 1, 3, 2, 4, 5, 6, 7, 8, 9])).count == 1)
    }

    @Test func anotherWorkerThatIsLongBeforeItsTurnIsFound() {
        let audit = self.audit(Array(0..<5))
        for position in 6..<10 {
            audit.take(self.place(position), 0, position, of: "b", at: UInt64(position) * Self.second)
        }
        audit.take(self.place(5), 0, 5, of: "a", at: 7 * Self.second)
        #expect(self.judge(audit).isEmpty, "a second is what two pipes may differ by")
        let late = self.audit(Array(0..<5))
        for position in 6..<10 {
            late.take(self.place(position), 0, position, of: "b", at: UInt64(position) * Self.second)
        }
        late.take(self.place(5), 0, 5, of: "a", at: 60 * Self.second)
        #expect(self.judge(late).count == 1)
    }

    @Test func duplicatesAreForShardsThatSomebodyDiedWithAndBehindTheCheckpoint() {
        func repeated(_ position: Int) -> ConsumptionAudit {
            let audit = self.audit(Array(0..<10))
            audit.take(self.place(position), 0, position, of: "b", at: 20 * Self.second)
            return audit
        }
        #expect(self.judge(repeated(7)).count == 1, "nobody was killed")
        let allowed = repeated(7)
        allowed.mayRepeat([self.lease(6)])
        #expect(self.judge(allowed).isEmpty)
        let checkpointed = repeated(7)
        checkpointed.mayRepeat([self.lease(7)])
        #expect(self.judge(checkpointed).count == 1)
    }

    @Test func aChildThatBeginsBeforeItsParentIsFinishedIsFound() {
        let audit = ConsumptionAudit(self.workload)
        for position in 0..<10 {
            // The child's records in the middle of the parent's.
            let shard: UInt32 = (4...5).contains(position) ? 1 : 0
            audit.take(
                self.place(position, shard: shard), 0, position, of: "a", at: UInt64(position + 1) * Self.second)
        }
        let said = self.judge(audit, [self.shard(0), self.shard(1, parents: [0])])
        #expect(said == ["shardId-000000000001 began before its parent shardId-000000000000 was finished"])
    }
}
