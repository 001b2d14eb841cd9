// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

@Suite struct PutObstaclesTests {
    private static let second: UInt64 = 1_000_000_000
    private static let full = WeirError(.storageFull, "the log is full")
    private static let cut = WeirError(.unavailable, "the server closed the connection")

    @Test func aRefusalIsToldOnceAfterASecondAndTakenBackOnce() {
        var obstacles = PutObstacles()
        obstacles.refused(1, Self.full, now: 100)
        obstacles.refused(2, Self.full, now: 200)
        #expect(obstacles.tellAt == 100 + Self.second)
        obstacles.tell(now: 99 + Self.second)
        #expect(obstacles.takeNotices().isEmpty)
        obstacles.tell(now: 100 + Self.second)
        #expect(obstacles.takeNotices() == [.heldBack(Self.full)])
        #expect(obstacles.tellAt == nil)
        obstacles.refused(1, Self.full, now: 300)
        obstacles.tell(now: .max)
        #expect(obstacles.takeNotices().isEmpty)
        obstacles.stored(1)
        #expect(obstacles.takeNotices().isEmpty)
        obstacles.stored(2)
        #expect(obstacles.takeNotices() == [.goesOn])
        obstacles.stored(2)
        #expect(obstacles.takeNotices().isEmpty)
    }

    @Test func whatPassedWithinASecondIsNotTold() {
        var obstacles = PutObstacles()
        obstacles.refused(1, Self.full, now: 100)
        obstacles.stored(1)
        #expect(obstacles.tellAt == nil && obstacles.all == nil)
        obstacles.refused(1, Self.full, now: 5000)
        #expect(obstacles[1]?.since == 5000 && obstacles.tellAt == 5000 + Self.second)
    }

    @Test func anotherReasonIsToldAtOnceAndEachOnce() {
        var obstacles = PutObstacles()
        obstacles.refused(1, Self.full, now: 0)
        obstacles.tell(now: Self.second)
        let other = WeirError(.unavailable, "the node recovers")
        for now in 1...5 {
            obstacles.refused(1, other, now: Self.second + UInt64(now))
            obstacles.refused(1, Self.full, now: Self.second + UInt64(now))
        }
        #expect(obstacles.takeNotices() == [.heldBack(Self.full), .heldBack(other)])
        #expect(obstacles[1]?.since == 0 && obstacles[1]?.error == Self.full)
    }

    /// Whether the next connection can be made is told by those who connect; two that end are a kind.
    @Test func connectionsThatEndAreToldFromTheSecondOnWithTheirCause() throws {
        var obstacles = PutObstacles()
        obstacles.lost([1], Self.cut, now: 100)
        #expect(obstacles.tellAt == nil)
        obstacles.lost([1, 2], Self.cut, now: 200)
        #expect(obstacles.tellAt == 100 + Self.second)
        obstacles.tell(now: 100 + Self.second)
        let notice = try #require(obstacles.takeNotices().first)
        guard case .heldBack(let error) = notice else { return #expect(Bool(false)) }
        #expect(error.code == .unavailable && !error.verdict.maybeStored)
        #expect(error.message == "2 connections ended before puts were answered: the server closed the connection")
        #expect(obstacles[2]?.since == 200 && obstacles[2]?.error.message.hasPrefix("a connection ended") == true)
        let failure = try #require(obstacles[1]).failure(now: 100 + 3 * Self.second)
        #expect(failure.message.hasSuffix("closed the connection; nothing was acknowledged for 3000 ms"))
    }

    /// Only an acknowledged record is progress, and that of another lane is not the lane's own.
    @Test func onlyAnAcknowledgedRecordTakesAnObstacleAway() {
        var obstacles = PutObstacles()
        obstacles.lost([1, 2], Self.cut, now: 100)
        obstacles.refused(1, Self.full, now: 200)
        obstacles.refused(nil, Self.full, now: 300)
        #expect(obstacles[1]?.since == 100 && obstacles.all?.since == 100)
        obstacles.stored(2)
        #expect(obstacles.all == nil && obstacles[2] == nil && obstacles[1]?.since == 100)
        #expect(Array(obstacles.positions) == [1])
    }

    /// Around the ends of the time for which a rate puts a lane off.
    @Test(arguments: [(100, 100), (100, 101), (50, 400), (400, 50)] as [(UInt64, UInt64)])
    func theTimeThatARateTakesDoesNotCount(_ from: UInt64, _ through: UInt64) {
        var obstacles = PutObstacles()
        obstacles.throttled(1, from: from, through: through)
        #expect(obstacles.all == nil && obstacles.positions.isEmpty)
        obstacles.lost([1, 2], Self.cut, now: 10)
        obstacles.throttled(1, from: from, through: through)
        let pause = through > from ? through - from : 0
        #expect(obstacles[1]?.since == 10 + pause && obstacles[2]?.since == 10)
        #expect(obstacles.all?.since == (pause > 0 ? through : 10))
    }

    @Test func lanesThatAreGoneHaveNoObstaclesAndWhatWasToldIsTakenBackAllTheSame() {
        var obstacles = PutObstacles()
        obstacles.refused(0, Self.full, now: 100)
        obstacles.refused(1, Self.full, now: 100)
        obstacles.tell(now: .max)
        obstacles.stored(1)
        obstacles.move { $0 == 0 ? nil : 0 }
        #expect(obstacles.positions.isEmpty)
        obstacles.stored(0)
        #expect(obstacles.takeNotices() == [.heldBack(Self.full), .goesOn])
        obstacles.refused(0, Self.full, now: 500)
        #expect(obstacles.tellAt == 500 + Self.second)
        obstacles.move { $0 + 7 }
        #expect(Array(obstacles.positions) == [7])
    }
}
