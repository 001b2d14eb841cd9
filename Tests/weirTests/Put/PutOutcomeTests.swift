// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirJSON
import WeirModel

@testable import WeirCommands

@Suite struct PutOutcomeTests {
    private func stored(_ index: UInt64) -> PutResult {
        .success(
            PutReceipt(
                sequenceNumber: SequenceNumber(
                    shardCreationSecond: 1, shard: ShardNumber(0), index: index, arrivalSecond: 1)))
    }

    private func text(_ result: LineResult) -> String {
        switch result {
        case .put(let receipt): "put \(receipt.sequenceNumber.index)"
        case .failed(let error): "failed \(error.message)"
        case .refused(let error): "refused \(error.message)"
        }
    }

    @Test func refusalsStandWhereTheirLinesAre() {
        var order = PutOrder()
        var seen: [String] = []
        func visit(_ result: LineResult) { seen.append(self.text(result)) }
        func refuse(_ before: UInt64, _ name: String) {
            order.refuse(before: before, WeirError(.invalidArgument, name), visit)
        }
        refuse(0, "a")
        #expect(seen == ["refused a"])
        refuse(2, "b")
        refuse(2, "c")
        refuse(3, "d")
        #expect(seen.count == 1)
        order.add([self.stored(0)], visit)
        #expect(seen.count == 2)
        order.add([self.stored(1), .failure(WeirError(.throughputExceeded, "e"))], visit)
        #expect(seen == ["refused a", "put 0", "put 1", "refused b", "refused c", "failed e", "refused d"])
        refuse(3, "f")
        #expect(seen.last == "refused f")
    }

    @Test func nothingFailedIsNoFailure() {
        var outcome = PutOutcome()
        outcome.count(.put(PutReceipt(sequenceNumber: ReadPositionTests.sequence)))
        #expect(outcome.failure == nil)
        #expect(outcome.acknowledged == 1)
    }

    @Test func refusedLinesFail() {
        var outcome = PutOutcome()
        outcome.count(.put(PutReceipt(sequenceNumber: ReadPositionTests.sequence)))
        outcome.count(.refused(WeirError(.invalidArgument, "line 2: it has no field 3")))
        #expect(outcome.failure == Failure(.failed, "1 record put, 1 line not\n  line 2: it has no field 3"))
    }

    @Test func tellsTheFirstFailuresAndEachReasonOnce() {
        var outcome = PutOutcome()
        for _ in 0..<1200 { outcome.count(.put(PutReceipt(sequenceNumber: ReadPositionTests.sequence))) }
        for _ in 0..<7 { outcome.count(.failed(WeirError(.timedOut, "no answer"))) }
        for line in 1208...1213 { outcome.count(.refused(WeirError(.invalidArgument, "line \(line): no field 2"))) }
        outcome.stopped = Failure(.tryAgain, "no answer")
        let failure = outcome.failure
        #expect(failure?.status == .failed)
        #expect(
            failure?.description == """
                1,200 records put, 7 unknown (they may be stored), 6 lines not; gave up: no answer
                  line 1201: no answer
                  line 1208: no field 2
                  line 1209: no field 2
                  line 1210: no field 2
                  line 1211: no field 2
                  and 8 more
                """)
    }

    @Test func failuresThatPassMeanTryAgain() {
        var outcome = PutOutcome()
        outcome.count(.failed(WeirError(.timedOut, "no answer")))
        #expect(outcome.failure?.status == .tryAgain)
        outcome.stopped = Failure(.tryAgain, "no answer")
        #expect(outcome.failure?.status == .tryAgain)
        outcome.stopped = Failure(.failed, "the input could not be read")
        #expect(outcome.failure?.status == .failed)
    }

    @Test func aPermanentFailureIsNotCoveredByOnesThatPass() {
        var outcome = PutOutcome()
        outcome.count(.failed(WeirError(.timedOut, "no answer")))
        outcome.count(.failed(WeirError(.streamDeleted, "gone")))
        #expect(outcome.failure?.status == .failed)
    }

    @Test func linesOfJSON() {
        let output = OutputBytes()
        var digits = SequenceDigits()
        let number = ReadPositionTests.sequence
        output.append(.put(PutReceipt(sequenceNumber: number)), &digits)
        output.append(.refused(WeirError(.invalidArgument, "line 2: \"x\"")), &digits)
        #expect(
            output.text
                == "{\"shardId\":\"shardId-000000000003\",\"sequenceNumber\":\"\(number)\"}\n"
                + "{\"errorCode\":\"InvalidArgument\",\"errorMessage\":\"line 2: \\\"x\\\"\"}\n")
    }

    @Test func theBacklogHoldsTheFeederBack() async {
        let backlog = Backlog(max: 10)
        await backlog.waitForRoom()
        backlog.add(10)
        async let waiting: Void = backlog.waitForRoom()
        backlog.remove(1)
        await waiting
    }

    @Test func aLineThatMayBeStoredSaysSo() {
        let output = OutputBytes()
        var digits = SequenceDigits()
        output.append(.failed(WeirError(.outcomeUnknown, "cut")), &digits)
        #expect(output.text == "{\"errorCode\":\"OutcomeUnknown\",\"errorMessage\":\"cut\",\"maybeStored\":true}\n")
    }

    @Test func whatHasNoResultWhenTheProgramMustEndIsUnknown() {
        let counts = PutCounts()
        counts.took(7)
        var outcome = PutOutcome()
        for _ in 0..<2 { outcome.count(.put(PutReceipt(sequenceNumber: ReadPositionTests.sequence))) }
        outcome.count(.failed(WeirError(.storageFull, "full")))
        outcome.count(.refused(WeirError(.invalidArgument, "line 4: no field 2")))
        counts.report(outcome)
        #expect(counts.unfinished == 4)
        let last = counts.outcome(stopped: Failure(.tryAgain, "interrupted")).failure
        #expect(
            last?.description.hasPrefix(
                "2 records put, 4 unknown (they may be stored), 2 lines not; gave up: interrupted\n") == true,
            "\(last?.description ?? "")")
    }
}
