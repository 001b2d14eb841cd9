// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirLog

/// Files that could not be unlinked are tried again, ever more rarely, and none is forgotten.
@Suite struct RemovalsTests {
    @Test func whatFailedIsTriedAgainAfterAWhile() {
        var removals = Removals<String>()
        #expect(removals.take().isEmpty)
        removals.add(["a", "b"])
        #expect(removals.take() == ["a", "b"])
        removals.add(["c"])
        #expect(removals.take().isEmpty, "one attempt at a time")
        for failure in 1...9 {
            removals.failed()
            let wait = min(Removals<String>.waitMax, 1 << (failure - 1))
            for _ in 0..<wait {
                #expect(removals.take().isEmpty && removals.all == ["a", "b", "c"])
                removals.tick()
            }
            #expect(removals.take() == ["a", "b", "c"], "after \(wait) ticks")
        }
        #expect(removals.done() == ["a", "b", "c"])
        #expect(removals.all.isEmpty)
        removals.add(["d"])
        #expect(removals.take() == ["d"], "what has gone well is not waited for")
        removals.failed()
        removals.tick()
        #expect(removals.take() == ["d"], "the first wait is a short one again")
    }

    @Test func aFailureOfNothingIsNone() {
        var removals = Removals<String>()
        removals.failed()
        removals.add(["a"])
        #expect(removals.take() == ["a"])
    }
}
