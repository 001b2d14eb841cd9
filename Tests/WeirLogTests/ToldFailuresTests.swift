// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// What an operator hears of upkeep that fails again and again.
@Suite struct ToldFailuresTests {
    enum Event: CustomTestStringConvertible {
        /// A task fails with a sentence; whether it is told.
        case fails(String, String, Bool)
        case works(String)

        var testDescription: String { "\(self)" }
    }

    static let histories: [[Event]] = [
        [.fails("snapshot", "full", true), .fails("snapshot", "full", false), .fails("snapshot", "full", false)],
        // Another sentence is news, and both stay known.
        [.fails("snapshot", "full", true), .fails("snapshot", "broken", true), .fails("snapshot", "full", false)],
        // What has worked in between is told again.
        [.fails("snapshot", "full", true), .works("snapshot"), .fails("snapshot", "full", true)],
        // That another task works says nothing.
        [
            .fails("footer 1", "broken", true), .works("footer 2"), .works("snapshot"),
            .fails("footer 1", "broken", false),
        ],
        // The same sentence of two tasks is told of both.
        [.fails("footer 1", "broken", true), .fails("footer 2", "broken", true)],
        [.works("snapshot"), .fails("snapshot", "full", true)],
    ]

    @Test(arguments: histories) func aFailureIsToldOnceUntilItsTaskHasWorked(_ events: [Event]) {
        var told = ToldFailures()
        for (step, event) in events.enumerated() {
            switch event {
            case .fails(let subject, let sentence, let isTold):
                let news = told.failed(subject, sentence)
                #expect(news == isTold, "step \(step)")
            case .works(let subject): told.succeeded(subject)
            }
        }
    }

    @Test(arguments: [ToldFailures.max - 1, ToldFailures.max, ToldFailures.max + 1])
    func onlySoManyAreRemembered(_ count: Int) {
        var told = ToldFailures()
        for number in 0..<count {
            let news = told.failed("footer \(number)", "broken")
            #expect(news)
        }
        let again = told.failed("footer 0", "broken")
        #expect(again == (count > ToldFailures.max))
    }
}
