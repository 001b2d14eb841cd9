// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirLog

@Suite struct ShortageWaitTests {
    private func attempts(_ count: Int, isClosing: Bool, comesBack: Bool, _ wait: inout ShortageWait) -> [Bool] {
        (0..<count).map { _ in wait.mayTryAgain(isClosing: isClosing, comesBack: comesBack) }
    }

    @Test(arguments: [false, true])
    func aLogThatRunsWaitsForEver(comesBack: Bool) {
        var wait = ShortageWait()
        let all = self.attempts(10_000, isClosing: false, comesBack: comesBack, &wait)
        #expect(all.allSatisfy { $0 })
    }

    @Test func aLogThatIsToldToStopWaitsForWhatItsConnectionsGiveBackAndNoLonger() {
        var wait = ShortageWait()
        let running = self.attempts(100, isClosing: false, comesBack: true, &wait)
        #expect(running.allSatisfy { $0 })
        let stopping = self.attempts(ShortageWait.closingMax, isClosing: true, comesBack: true, &wait)
        #expect(stopping.allSatisfy { $0 })
        let late = self.attempts(3, isClosing: true, comesBack: true, &wait)
        #expect(late == [false, false, false])
    }

    @Test func aLogThatIsToldToStopDoesNotWaitForSpace() {
        var wait = ShortageWait()
        let first = self.attempts(1, isClosing: true, comesBack: false, &wait)
        #expect(first == [false])
    }
}
