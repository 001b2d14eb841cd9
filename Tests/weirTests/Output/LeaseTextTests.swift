// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirJSON
import WeirModel

@testable import WeirCommands

/// What `weir lease` and `weir consumer` print.
@Suite struct LeaseTextTests {
    private static let number = SequenceNumber(
        shardCreationSecond: 1_700_000_000, shard: ShardNumber(4), index: 999, arrivalSecond: 1_700_000_005)

    private func lease(
        _ shard: UInt32, owner: WorkerID? = nil, _ checkpoint: LeaseCheckpoint = .trimHorizon, records: UInt64 = 0,
        millis: Int64 = 0, reset: LeaseDescription.Reset? = nil, to: WorkerID? = nil, parents: [UInt32] = []
    ) -> LeaseDescription {
        LeaseDescription(
            shard: ShardNumber(shard), owner: owner, counter: 3, checkpoint: checkpoint,
            parents: parents.map { ShardNumber($0) }, ownerSwitchesSinceCheckpoint: 2, handingOverTo: to, reset: reset,
            lag: .init(records: records, millis: millis))
    }

    private func text(_ leases: [LeaseDescription], asJSON: Bool) -> String {
        let output = OutputBytes()
        LeaseText.write(leases, asJSON: asJSON, to: output)
        return output.text
    }

    @Test func theWorstLagComesFirst() {
        let leases = [
            self.lease(0, records: 900, millis: 10), self.lease(1, records: 2, millis: 5000), self.lease(2),
            self.lease(3, records: 9, millis: 5000), self.lease(4, records: 2, millis: 5000),
        ]
        #expect(LeaseText.worstFirst(leases).map(\.shard.rawValue) == [3, 1, 4, 0, 2])
    }

    @Test func aTableForPeople() throws {
        let leases = [
            self.lease(
                4, owner: try WorkerID("host-a:1"), .sequenceNumber(Self.number, subSequence: 7), records: 12,
                millis: 1500, reset: .init(reason: "replay", atMillis: 1_700_000_000_250), to: try WorkerID("host-b")),
            self.lease(5, .atTimestamp(1_700_000_000_000)),
        ]
        let lines = self.text(leases, asJSON: false).split(separator: "\n")
        #expect(lines.count == 3)
        let cells = lines.map { $0.split(separator: " ").map(String.init) }
        #expect(
            lines[0].split(separator: "  ").map { $0.trimmingPrefix(" ") } == [
                "SHARD", "OWNER", "CHECKPOINT", "LAG RECORDS", "LAG MS", "SWITCHES", "COUNTER", "HANDING OVER TO",
                "RESET",
            ])
        #expect(
            cells[1] == [
                "shardId-000000000004", "host-a:1", "\(Self.number)/7", "12", "1500", "2", "3", "host-b",
                "2023-11-14T22:13:20Z", "replay",
            ])
        #expect(
            cells[2] == [
                "shardId-000000000005", "-", "AT_TIMESTAMP(2023-11-14T22:13:20Z)", "0", "0", "2", "3", "-", "-",
            ])
    }

    @Test func aReasonCannotMoveTheCursor() {
        let reset = LeaseDescription.Reset(reason: "a\u{1b}[2Jb\nc", atMillis: 0)
        let text = self.text([self.lease(1, reset: reset)], asJSON: false)
        #expect(!text.contains("\u{1b}"))
        #expect(text.split(separator: "\n").count == 2)
    }

    @Test func anObjectALineForProgramsWithTheNamesOfKCL() throws {
        let held = self.lease(
            4, owner: try WorkerID("host-a:1"), .sequenceNumber(Self.number, subSequence: 7), records: 12, millis: 1500,
            reset: .init(reason: "replay", atMillis: 1_700_000_000_250), to: try WorkerID("host-b"), parents: [1, 2])
        #expect(
            self.text([held], asJSON: true)
                == "{\"leaseKey\":\"shardId-000000000004\",\"leaseOwner\":\"host-a:1\",\"leaseCounter\":3,"
                + "\"checkpoint\":\"\(Self.number)\",\"checkpointSubSequenceNumber\":7,\"checkpointTimestamp\":null,"
                + "\"parentShardIds\":[\"shardId-000000000001\",\"shardId-000000000002\"],"
                + "\"ownerSwitchesSinceCheckpoint\":2,\"recordsBehind\":12,\"millisBehind\":1500,"
                + "\"handingOverTo\":\"host-b\",\"resetReason\":\"replay\",\"resetAt\":1700000000.250}\n")
        let free = self.text([self.lease(5, .atTimestamp(1_700_000_000_000))], asJSON: true)
        #expect(
            free
                == "{\"leaseKey\":\"shardId-000000000005\",\"leaseOwner\":null,\"leaseCounter\":3,"
                + "\"checkpoint\":\"AT_TIMESTAMP\",\"checkpointSubSequenceNumber\":null,"
                + "\"checkpointTimestamp\":1700000000.000,\"parentShardIds\":[],\"ownerSwitchesSinceCheckpoint\":2,"
                + "\"recordsBehind\":0,\"millisBehind\":0,\"handingOverTo\":null,\"resetReason\":null,"
                + "\"resetAt\":null}\n")
    }

    @Test(arguments: [
        (LeaseCheckpoint.trimHorizon, "\"checkpoint\":\"TRIM_HORIZON\""), (.shardEnd, "\"checkpoint\":\"SHARD_END\""),
        (
            .sequenceNumber(Self.number, subSequence: nil),
            "\"checkpoint\":\"\(Self.number)\",\"checkpointSubSequenceNumber\":null"
        ),
    ])
    func checkpointsAreCalledAsKCLCallsThem(checkpoint: LeaseCheckpoint, part: String) {
        #expect(self.text([self.lease(1, checkpoint)], asJSON: true).contains(part))
    }

    @Test func resetsAreShownRowByRow() throws {
        let resets = [
            LeaseReset(shard: ShardNumber(1), from: .trimHorizon, to: .shardEnd, owner: try WorkerID("w1")),
            LeaseReset(
                shard: ShardNumber(4), from: .sequenceNumber(Self.number, subSequence: nil),
                to: .atTimestamp(1_700_000_000_000), owner: nil),
        ]
        let (done, dry, none) = (OutputBytes(), OutputBytes(), OutputBytes())
        LeaseText.write(LeaseResets(leases: resets, count: 2), isDryRun: false, to: done)
        LeaseText.write(LeaseResets(leases: resets, count: 2), isDryRun: true, to: dry)
        LeaseText.write(LeaseResets(leases: [], count: 0), isDryRun: false, to: none)
        #expect(
            done.text
                == "reset shardId-000000000001: TRIM_HORIZON -> SHARD_END, taken from w1\n"
                + "reset shardId-000000000004: \(Self.number) -> AT_TIMESTAMP(2023-11-14T22:13:20Z)\n")
        #expect(dry.text.hasPrefix("would reset shardId-000000000001: TRIM_HORIZON -> SHARD_END, held by w1\n"))
        #expect(none.text == "nothing to reset\n")
    }

    @Test func aResetThatIsTooLargeToBeShownSaysHowManyThereAre() throws {
        let one = LeaseReset(shard: ShardNumber(1), from: .trimHorizon, to: .shardEnd, owner: nil)
        let (done, dry) = (OutputBytes(), OutputBytes())
        LeaseText.write(LeaseResets(leases: [one], count: 60_001), isDryRun: false, to: done)
        LeaseText.write(LeaseResets(leases: [one], count: 60_001), isDryRun: true, to: dry)
        #expect(
            done.text.hasSuffix(
                "\n... and 60000 more leases, 60001 in all (weir lease list shows where all of them stand)\n"))
        #expect(dry.text.hasSuffix("\n... and 60000 more leases, 60001 in all\n"))
    }

    @Test func applicationsAndConsumers() throws {
        let application = ApplicationDescription(
            name: try ApplicationName("billing"), createdAtMillis: 1_700_000_000_250, workers: 2, leases: 6,
            lag: .init(records: 12, millis: 1500))
        let consumer = ConsumerDescription(name: try ConsumerName("fraud"), createdAtMillis: 1_700_000_000_250)
        let (table, json) = (OutputBytes(), OutputBytes())
        ApplicationText.write([application], asJSON: false, to: table)
        ConsumerText.write([consumer], asJSON: false, to: table)
        ApplicationText.write([application], asJSON: true, to: json)
        ConsumerText.write([consumer], asJSON: true, to: json)
        #expect(
            table.text
                == "APPLICATION  WORKERS  LEASES  LAG RECORDS  LAG MS  CREATED\n"
                + "billing            2       6           12    1500  2023-11-14T22:13:20Z\n"
                + "CONSUMER  CREATED\nfraud     2023-11-14T22:13:20Z\n")
        #expect(
            json.text
                == "{\"applicationName\":\"billing\",\"workers\":2,\"leases\":6,\"recordsBehind\":12,"
                + "\"millisBehind\":1500,\"createdAt\":1700000000.250}\n"
                + "{\"consumerName\":\"fraud\",\"createdAt\":1700000000.250}\n")
    }
}
