// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirDelivery
import WeirModel

@Suite struct CompletenessTests {
    private static let now: Int64 = 5_000_000
    private static var idle: Int64 { Self.now - Completeness.settlingMillis }

    private func shard(_ number: UInt32, parents: [UInt32] = [], created: Int64 = 2_000_000) -> ShardDescription {
        ShardDescription(
            number: ShardNumber(number), range: .all, parents: parents.map { ShardNumber($0) }, creationSecond: 2000,
            firstIndex: 0, createdAtMillis: created, closed: nil)
    }

    private func lease(_ shard: UInt32, _ checkpoint: LeaseCheckpoint, lag: UInt64 = 1) -> LeaseDescription {
        LeaseDescription(
            shard: ShardNumber(shard), owner: nil, counter: 1, checkpoint: checkpoint, parents: [],
            ownerSwitchesSinceCheckpoint: 0, handingOverTo: nil, reset: nil, lag: .init(records: lag, millis: 0))
    }

    private func at(_ shard: UInt32, second: UInt64) -> LeaseCheckpoint {
        .sequenceNumber(
            SequenceNumber(shardCreationSecond: 2000, shard: ShardNumber(shard), index: 7, arrivalSecond: second),
            subSequence: nil)
    }

    @Test func `The watermark is that of the shard that is furthest behind`() {
        let cases: [([ShardDescription], [LeaseDescription], Int64?)] = [
            ([self.shard(0)], [], nil),
            ([self.shard(0)], [self.lease(0, .trimHorizon, lag: 0)], Self.idle),
            ([self.shard(0)], [self.lease(0, .trimHorizon)], 2_000_000),
            ([self.shard(0)], [self.lease(0, .at(Timestamp(millisecondsSince1970: 3_000_000)))], 3_000_000),
            ([self.shard(0)], [self.lease(0, .shardEnd)], Self.idle),
            ([self.shard(0)], [self.lease(0, self.at(0, second: 4000))], 4_000_000),
            // Its number may lie ahead of the clock.
            ([self.shard(0, created: 1_999_000)], [self.lease(0, self.at(0, second: 2000))], 1_999_000),
            ([self.shard(0)], [self.lease(0, self.at(0, second: 9000))], Self.idle),
            (
                [self.shard(0), self.shard(1)],
                [self.lease(0, self.at(0, second: 4000)), self.lease(1, self.at(1, second: 3000))], 3_000_000
            ),
            // A child whose lease is still to come.
            ([self.shard(0), self.shard(1, parents: [0], created: 2_500_000)], [self.lease(0, .shardEnd)], 2_500_000),
            // The application began behind it.
            ([self.shard(0), self.shard(1, parents: [0])], [self.lease(1, .trimHorizon, lag: 0)], Self.idle),
        ]
        for (index, (shards, leases, expected)) in cases.enumerated() {
            #expect(
                Completeness.watermark(shards: shards, leases: leases, now: Self.now) == expected, "case \(index)")
        }
    }

    @Test func `A folder is whole when its time is over, and never when it was not from its beginning`() {
        func note(_ path: String, _ ends: Int64) -> FileNote {
            FileNote(
                path: path, bytes: 1, checksum: 1, records: 1, first: Samples.number(1), last: Samples.number(1),
                ends: ends)
        }
        let notes = [note("a/1", 100), note("a/2", 100), note("b/1", 200), note("c/1", .max), note("d/1", 0)]
        for (watermark, lateness, expected) in [
            (99, 0, []), (100, 0, ["a/"]), (199, 0, ["a/"]), (200, 0, ["a/", "b/"]), (.max, 0, ["a/", "b/"]),
            (109, 10, []), (110, 10, ["a/"]),
        ] as [(Int64, Int64, [String])] {
            let folders = Completeness.whole(notes, watermark: watermark, lateness: lateness)
            #expect(folders.map(\.path) == expected, "\(watermark)")
            #expect(folders.first?.notes.count ?? 2 == 2)
        }
    }

    @Test(
        arguments: [
            ("!{timestamp:yyyy/MM/dd/HH}/", "hour"), ("", "hour"), ("!{timestamp:yyyy}/!{timestamp:MM}/", "month"),
            ("a/!{timestamp:yyyy/MM/dd/}x-", "day"), ("!{timestamp:yyyy/DDD}/", "day"), ("!{timestamp:yy}/", "year"),
            ("!{timestamp:yyyy/MM/dd/hha}/", "hour"), ("!{timestamp:yyyy/MM/dd/hh}/", "day"),
            ("!{timestamp:yyyy/MM/dd/mm}/", "day"), ("!{timestamp:yyyy/MM/dd/HH/mm/ss}/", "second"),
            ("!{timestamp:HH}/", "none"), ("x-!{timestamp:yyyy}", "none"), ("!{timestamp:yyyy/MM}", "year"),
        ])
    func `A folder lasts for the finest time in its path`(_ prefix: String, _ unit: String) throws {
        let pattern = try PrefixPattern(prefix, offsetMinutes: 90)
        // 2026-12-31T23:59:59.999 at +01:30, and the next moment.
        let last: Int64 = 1_798_756_199_999
        let before = pattern.period(of: pattern.partition(millis: last))
        let after = pattern.period(of: pattern.partition(millis: last + 1))
        let lengths: [String: Int64] = [
            "second": 1000, "hour": 3_600_000, "day": 86_400_000, "month": 31 * 86_400_000, "year": 365 * 86_400_000,
        ]
        guard let length = lengths[unit] else {
            #expect(before == nil)
            return
        }
        #expect(before?.end == last + 1 && before?.start == last + 1 - length)
        #expect(after?.start == last + 1)
    }
}
