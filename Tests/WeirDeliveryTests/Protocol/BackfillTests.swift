// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirModel

/// A fixed range is written once, whatever portions it comes in and whoever is killed when.
@Suite struct BackfillTests {
    private struct Range {
        var records: [UserRecord]
        var fileBytes: UInt64

        /// Of up to 40 partitions; some records are packed into one.
        init(_ dice: inout Seeded) {
            self.records = []
            self.fileBytes = UInt64.random(in: 1...60, using: &dice)
            let seconds = Int64([1, 3, 40][Int.random(in: 0..<3, using: &dice)])
            for index in 0..<UInt64.random(in: 0...200, using: &dice) {
                let record = Samples.record(index, arrivalMillis: Int64.random(in: 0..<seconds, using: &dice) * 1000)
                let parts = Int.random(in: 0..<10, using: &dice) == 0 ? Int.random(in: 1...5, using: &dice) : 0
                for part in 0..<parts {
                    self.records.append(
                        UserRecord(record, subSequence: UInt64(part), isLast: part == parts - 1))
                }
                if parts == 0 { self.records.append(UserRecord(record)) }
            }
        }
    }

    private func settings(_ range: Range, until: Int64 = .max) throws -> BackfillSettings {
        BackfillSettings(
            stream: try StreamName("s"), streamTag: "7.a", pattern: try PrefixPattern("!{timestamp:mm-ss}/"),
            compression: .none, fileBytes: range.fileBytes, form: .data(delimiter: [UInt8(ascii: "\n")]),
            untilMillis: until, clock: StandingClock(monotonicNanos: 1))
    }

    /// Returns what it has counted.
    @discardableResult
    private func write(
        _ range: Range, _ folder: ForgetfulFolder, _ dice: inout Seeded, fuse: Fuse = Fuse(at: nil),
        until: Int64 = .max
    ) async throws -> DeliveryStatus {
        let board = DeliveryBoard()
        let destination = ForgetfulDestination(folder: folder, fuse: fuse)
        for name in try destination.unfinished("7.a-") { try destination.discard(name) }
        let shard = BackfillShard(Samples.shard, try self.settings(range, until: until), destination, board)
        var rest = range.records[...]
        while !rest.isEmpty {
            let count = Int.random(in: 1...30, using: &dice)
            guard try await shard.take(Array(rest.prefix(count))) else { break }
            rest = rest.dropFirst(count)
        }
        try await shard.finish()
        return board.status(now: 1)
    }

    private func lines(_ folder: ForgetfulFolder) -> [String] {
        folder.files.values.flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
            .sorted()
    }

    @Test func `The same files come of the same records, in whatever portions they come, and a second run writes none`()
        async throws
    {
        let seed = UInt64.random(in: 1...(.max / 2))
        for seed in Array(0..<300) + Array(seed..<seed + 100) {
            var dice = Seeded(seed)
            let range = Range(&dice)
            let (one, other) = (ForgetfulFolder(), ForgetfulFolder())
            let first = try await self.write(range, one, &dice)
            try await self.write(range, other, &dice)
            #expect(one.files == other.files, "seed \(seed)")
            let expected = range.records.map { String(decoding: $0.data, as: UTF8.self) }.sorted()
            #expect(self.lines(one) == expected && first.records == UInt64(expected.count), "seed \(seed)")
            let files = one.files
            let second = try await self.write(range, one, &dice)
            #expect(one.files == files && second.files == 0 && one.unfinishedCount == 0, "seed \(seed)")
            #expect(second.passed.files == first.files && second.passed.records == first.records, "seed \(seed)")
        }
    }

    @Test func `What a run that was killed has left is completed, and each record is in one file`() async throws {
        for seed in 0..<40 as Swift.Range<UInt64> {
            var dice = Seeded(seed)
            let range = Range(&dice)
            let whole = ForgetfulFolder()
            let fuse = Fuse(at: nil)
            try await self.write(range, whole, &dice, fuse: fuse)
            for step in stride(from: 1, through: fuse.steps, by: max(1, fuse.steps / 40)) {
                let folder = ForgetfulFolder()
                _ = try? await self.write(range, folder, &dice, fuse: Fuse(at: step))
                if seed % 2 == 0 { folder.cutPower(&dice) }
                try await self.write(range, folder, &dice)
                #expect(folder.files == whole.files && folder.unfinishedCount == 0, "seed \(seed), step \(step)")
            }
        }
    }

    @Test func `A range ends before its time, and the next one goes on from there`() async throws {
        var dice = Seeded(3)
        var range = Range(&dice)
        range.records = (0..<50).map { UserRecord(Samples.record($0, arrivalMillis: Int64($0 / 5) * 1000)) }
        for until in [0, 1, 999, 1000, 1001, 5000, 9000, 9001, 10_000] as [Int64] {
            let folder = ForgetfulFolder()
            try await self.write(range, folder, &dice, until: until)
            let count = min(10, (until + 999) / 1000) * 5
            #expect(self.lines(folder).count == Int(count), "\(until)")
            // The rest is of later seconds, which have files of their own.
            try await self.write(range, folder, &dice)
            #expect(self.lines(folder).count == 50, "\(until)")
        }
    }

    @Test func `Files that were cut elsewhere are refused before a record is there twice`() async throws {
        var dice = Seeded(5)
        var range = Range(&dice)
        range.records = (0..<50).map { UserRecord(Samples.record($0, arrivalMillis: 0)) }
        range.fileBytes = 40
        let folder = ForgetfulFolder()
        try await self.write(range, folder, &dice)
        let files = folder.files
        range.fileBytes = 60
        await #expect(throws: WeirError.self) {
            var dice = Seeded(6)
            try await self.write(range, folder, &dice)
        }
        #expect(folder.files == files)
    }
}
