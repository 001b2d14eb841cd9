// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirHarness

/// Short versions of what `weir-harness` does for as long as one likes, with the real program. One at a time: each of
/// them keeps a machine busy.
@Suite(.serialized)
struct ScenarioTests {
    private func expectGood(_ report: Report) {
        print(report)
        #expect(report.isGood, "\(report)")
    }

    @Test func nothingAcknowledgedIsLostWhenTheServerIsKilled() async throws {
        var scenario = CrashScenario()
        scenario.kills = 12
        scenario.rate = 4000
        scenario.keys = 24
        scenario.bytes = 24...2000
        self.expectGood(try await scenario.run())
    }

    #if os(Linux)
    @Test func nothingAcknowledgedIsLostWhenTheDiskFailsNowAndThen() async throws {
        var scenario = DisturbScenario()
        scenario.rounds = 12
        scenario.rate = 3000
        self.expectGood(try await scenario.run())
    }
    #endif

    @Test func aTailSeesEverythingInOrderWhileTheStreamIsResharded() async throws {
        var scenario = ReshardScenario()
        scenario.rate = 5000
        scenario.recordsBetween = 2000
        self.expectGood(try await scenario.run())
    }

    @Test func workersThatComeGoAndDieProcessEverything() async throws {
        var scenario = ConsumersScenario()
        scenario.shards = 8
        scenario.rate = 2000
        scenario.recordsBetween = 1000
        scenario.sessionSeconds = 2
        scenario.pauseSeconds = 4
        self.expectGood(try await scenario.run())
    }

    @Test func aHotKeyIsThrottledRecordByRecordAndPutFinishes() async throws {
        var scenario = ThrottleScenario()
        scenario.seconds = 2.5
        scenario.lines = 3500
        self.expectGood(try await scenario.run())
    }

    @Test func anAccessLogGoesInByItsClientsAndComesBackInTheirOrder() async throws {
        self.expectGood(try await AccessLogScenario().run())
    }

    @Test(arguments: ["zstd", "gzip", "lz4", "none"])
    func eachLineIsInOneFileWhateverBecomesOfThoseWhoDeliver(_ compression: String) async throws {
        var scenario = DeliveryScenario()
        scenario.compression = compression
        scenario.lines = 4000
        scenario.shards = 4
        scenario.events = 10
        scenario.size = "64KiB"
        self.expectGood(try await scenario.run())
    }

    @Test(arguments: FaultCase.all)
    func fault(_ fault: FaultCase) async throws {
        let told = try await fault.run()
        print("\(fault.name)\(told.isEmpty ? "" : ": \(told)")")
    }
}
