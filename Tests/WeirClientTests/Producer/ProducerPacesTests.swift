// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

@Suite struct ProducerPacesTests {
    private static let policy = RetryPolicy(firstPauseMillis: 10, longestPauseMillis: 100)
    private static let milli: UInt64 = 1_000_000

    @Test func attemptsToConnectArePacedFromTheirBeginningUntilARecordIsAcknowledged() {
        var pace = ConnectPace()
        #expect(pace.earliest(Self.policy, dice: 0) == 0)
        var now: UInt64 = 1_000 * Self.milli
        // Half of each pause at least, by these dice.
        for pause in [5, 10, 20, 40, 50, 50] as [UInt64] {
            pace.begins(now: now)
            #expect(pace.earliest(Self.policy, dice: 0) == now + pause * Self.milli)
            #expect(
                (now + pause * Self.milli...now + 2 * pause * Self.milli).contains(
                    pace.earliest(Self.policy, dice: .max)))
            now += 500 * Self.milli
        }
        pace.stored()
        #expect(pace.earliest(Self.policy, dice: 0) == 0)
        pace.begins(now: now)
        #expect(pace.earliest(Self.policy, dice: 0) == now + 5 * Self.milli)
    }

    private enum Heard {
        case goesOn
        case stored
        /// The milliseconds that the server names, and the pause in milliseconds that is expected.
        case refused(UInt32, UInt64)
    }

    /// What comes to a lane, one after the other.
    @Test func refusalsWithoutAPauseAreTriedAgainAtOnceAndThenAfterPausesThatGrow() {
        let table: [[Heard]] = [
            // As a server does that keeps to the order: one names a pause, those behind it none.
            [.refused(7, 7), .refused(0, 0), .goesOn, .refused(7, 7), .refused(0, 0), .goesOn, .refused(0, 0)],
            // The answers may overtake each other.
            [.refused(0, 0), .refused(7, 7), .goesOn, .refused(0, 0), .refused(7, 7), .goesOn, .refused(0, 0)],
            [
                .refused(0, 0), .goesOn, .refused(0, 5), .refused(0, 5), .goesOn, .refused(0, 10), .goesOn,
                .refused(0, 20),
            ],
            [.refused(0, 0), .goesOn, .refused(0, 5), .goesOn, .stored, .refused(0, 0), .goesOn, .refused(0, 0)],
            [.refused(0, 0), .stored, .goesOn, .refused(0, 0), .goesOn, .refused(0, 5)],
            // A lane whose connection was lost has heard nothing.
            [.refused(0, 0), .goesOn, .refused(0, 5), .goesOn, .goesOn, .refused(0, 0)],
        ]
        for (number, row) in table.enumerated() {
            var pace = RetryPace()
            for (step, heard) in row.enumerated() {
                switch heard {
                case .goesOn: pace.goesOn()
                case .stored: pace.stored()
                case .refused(let millis, let expected):
                    #expect(
                        pace.refused(afterMillis: millis, Self.policy) == expected * Self.milli,
                        "row \(number), step \(step)")
                }
            }
        }
    }

    @Test func mapsAreListedAtOnceUnlessTheyBringNothing() {
        var pace = MapPace()
        var pauses: [UInt64] = []
        func note() { pauses.append(pace.pause(Self.policy) / Self.milli) }
        // The first one, one that replaces it, and then one after the other without an acknowledged record.
        for _ in 0..<5 {
            pace.listed(isNewer: true)
            note()
        }
        #expect(pauses == [0, 0, 5, 10, 20])
        pauses = []
        pace.stored()
        note()
        pace.listed(isNewer: true)
        note()
        for _ in 0..<3 {
            pace.listed(isNewer: false)
            note()
        }
        // That others store does not help a lane whose map does not change.
        pace.stored()
        note()
        pace.failed()
        note()
        pace.listed(isNewer: true)
        note()
        #expect(pauses == [0, 0, 5, 10, 20, 20, 40, 0])
    }

    private enum Event {
        case waits
        case pauses
        case ends
        case heard
        case greeted
    }

    /// Events a second apart, and since when the server is silent afterwards.
    @Test func aGreetingIsNoAnswerAndTimeInWhichNothingIsAskedDoesNotCount() {
        let table: [(events: [Event], since: UInt64?)] = [
            ([.waits], 1), ([.waits, .waits], 1), ([.waits, .heard], nil), ([.waits, .heard, .waits], 3),
            ([.waits, .ends, .waits], 3),
            // Asked for a second, not for two, then again: as if for one second less at the fourth.
            ([.waits, .pauses, .pauses, .waits], 3),
            // The first greeting, and one behind an answer, give all the time; one behind a greeting gives none.
            ([.waits, .greeted, .waits], 3), ([.waits, .greeted, .waits, .greeted, .waits], 3),
            ([.greeted, .waits, .pauses, .greeted, .waits], 4),
            ([.greeted, .waits, .heard, .waits, .greeted, .waits], 6),
            ([.greeted, .waits, .heard, .waits, .greeted, .waits, .greeted, .waits, .greeted, .waits], 6),
        ]
        for row in table {
            var silence = SilenceWatch()
            for (second, event) in row.events.enumerated() {
                let now = UInt64(second + 1) * 1_000_000_000
                switch event {
                case .waits: silence.waits(now: now)
                case .pauses: silence.pauses(now: now)
                case .ends: silence.ends()
                case .heard: silence.heard()
                case .greeted: silence.greeted()
                }
            }
            #expect(silence.since == row.since.map { $0 * 1_000_000_000 }, "\(row.events)")
        }
    }

    @Test func whyNothingIsHeardIsKnownUntilSomethingIs() {
        var silence = SilenceWatch()
        silence.failed(WeirError(.unavailable, "nobody listens"))
        silence.greeted()
        #expect(silence.reason?.message == "nobody listens")
        silence.heard()
        #expect(silence.reason == nil)
    }
}
