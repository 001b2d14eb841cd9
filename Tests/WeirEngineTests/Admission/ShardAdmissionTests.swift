// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirEngine
import WeirModel

@Suite struct ShardAdmissionTests {
    private static let second: UInt64 = 1_000_000_000

    private func settings(_ limits: LimitsProfile, recordBytesMax: Int = 1 << 20) -> StreamSettings {
        StreamSettings(limits: limits, recordBytesMax: recordBytesMax)
    }

    @Test func `The contract's shard takes 1,000 records and 1 MiB in a second`() {
        var byCount = ShardAdmission(self.settings(.kinesis), nowNanos: 0)
        let all = byCount.admit(records: 1000, bytes: 1000, nowNanos: 0)
        let oneMore = byCount.admit(records: 1, bytes: 1, nowNanos: 0)
        #expect(all && !oneMore)
        #expect(byCount.nanosUntilRecord(bytes: 1, nowNanos: 0) == Self.second / 1000)
        var byBytes = ShardAdmission(self.settings(.kinesis), nowNanos: 0)
        let mebibyte = byBytes.admit(records: 1, bytes: 1 << 20, nowNanos: 0)
        let oneByte = byBytes.admit(records: 1, bytes: 1, nowNanos: 0)
        #expect(mebibyte && !oneByte)
        let halfASecondLater = byBytes.admit(records: 1, bytes: 1 << 19, nowNanos: Self.second / 2)
        #expect(halfASecondLater)
    }

    @Test func `What is refused by one rate is not taken from the other`() {
        var admission = ShardAdmission(
            self.settings(.explicit(.init(bytesIn: 1 << 20, recordsIn: 10, bytesOut: nil, readsOut: nil))), nowNanos: 0)
        let tooMany = admission.admit(records: 11, bytes: 1 << 20, nowNanos: 0)
        #expect(!tooMany)
        let allBytes = admission.admit(records: 1, bytes: 1 << 20, nowNanos: 0)
        #expect(allBytes, "the bytes of the refused records were given back")
        let tooLarge = admission.admit(records: 9, bytes: 1, nowNanos: 0)
        #expect(!tooLarge)
        let empty = admission.admit(records: 9, bytes: 0, nowNanos: 0)
        #expect(empty, "the records were not taken either")
    }

    @Test func `The largest record of the stream fits, whatever the rate`() {
        let limits = LimitsProfile.explicit(RateLimits(bytesIn: 1 << 20, recordsIn: 1, bytesOut: nil, readsOut: nil))
        var admission = ShardAdmission(self.settings(limits, recordBytesMax: 10 << 20), nowNanos: 0)
        let large = admission.admit(records: 1, bytes: 10 << 20, nowNanos: 0)
        #expect(large)
        #expect(admission.nanosUntilRecord(bytes: 10 << 20, nowNanos: 0) == 10 * Self.second)
    }

    @Test func `Without limits everything passes and nothing is kept`() {
        var admission = ShardAdmission(self.settings(.open), nowNanos: 0)
        let passes = admission.admit(records: 1_000_000, bytes: 1 << 40, nowNanos: 0)
        #expect(passes)
        #expect(admission.admitRead(nowNanos: 0) == nil)
        admission.charge(bytesOut: 1 << 40, nowNanos: 0)
        #expect(admission.nanosUntilBytesOut(nowNanos: 0) == nil)
        #expect(admission.isUnused(nowNanos: 0))
        #expect(!admission.countsBytesOut)
    }

    @Test func `Five reads a second; one that brought nothing does not count`() {
        var admission = ShardAdmission(self.settings(.kinesis), nowNanos: 0)
        for _ in 0..<5 { #expect(admission.admitRead(nowNanos: 0) == nil) }
        #expect(admission.admitRead(nowNanos: 0) == Self.second / 5)
        admission.giveBackRead()
        #expect(admission.admitRead(nowNanos: 0) == nil)
        #expect(admission.admitRead(nowNanos: Self.second / 5) == nil)
    }

    @Test func `After a reply of 10 MiB the calls of the next 5 s are refused`() throws {
        var admission = ShardAdmission(self.settings(.kinesis), nowNanos: 0)
        #expect(admission.admitRead(nowNanos: 0) == nil)
        admission.charge(bytesOut: 10 << 20, nowNanos: 0)
        let refused = admission.admitRead(nowNanos: 1)
        let wait = try #require(refused)
        #expect(wait > 4_999_000_000 && wait <= 5_001_000_000)
        #expect(admission.admitRead(nowNanos: 4_999_000_000) != nil)
        #expect(admission.admitRead(nowNanos: 5_001_000_000) == nil)
    }

    @Test func `Changed settings take effect without forgetting what was used`() {
        var admission = ShardAdmission(self.settings(.kinesis), nowNanos: 0)
        let first = admission.admit(records: 1000, bytes: 10, nowNanos: 0)
        #expect(first)
        admission.follow(
            self.settings(.explicit(.init(bytesIn: nil, recordsIn: 5000, bytesOut: nil, readsOut: nil))), nowNanos: 0)
        let still = admission.admit(records: 1, bytes: 1, nowNanos: 0)
        #expect(!still)
        let later = admission.admit(records: 5000, bytes: 1 << 40, nowNanos: Self.second)
        #expect(later)
        admission.follow(self.settings(.open), nowNanos: Self.second)
        let open = admission.admit(records: 1 << 30, bytes: 1 << 40, nowNanos: Self.second)
        #expect(open)
    }

    @Test func `The table forgets shards whose buckets are full again, and only those`() {
        var table = AdmissionTable(sweepAtLeast: 8)
        let settings = self.settings(.kinesis)
        func ref(_ number: UInt32) -> ShardRef { ShardRef(stream: StreamID(1), shard: ShardNumber(number)) }
        for number in 0..<8 {
            let taken = table.with(ref(UInt32(number)), settings, nowNanos: 0) {
                $0.admit(records: 1000, bytes: 10, nowNanos: 0)
            }
            #expect(taken)
        }
        #expect(table.count == 8)
        // Half a second later nothing may be forgotten: the ninth entry comes on top.
        let now = Self.second / 2
        let taken = table.with(ref(8), settings, nowNanos: now) { $0.admit(records: 1, bytes: 1, nowNanos: now) }
        #expect(taken && table.count == 9)
        let used = table.with(ref(0), settings, nowNanos: now) {
            $0.admit(records: 501, bytes: 1, nowNanos: now)
        }
        #expect(!used, "half of the rate has filled since")
        // When all are full they go as soon as there are enough to look through.
        let late = 10 * Self.second
        for number in 9..<17 {
            _ = table.with(ref(UInt32(number)), settings, nowNanos: late) {
                $0.admit(records: 1, bytes: 1, nowNanos: late)
            }
        }
        #expect(table.count < 12)
        table.removeAll(of: StreamID(1))
        #expect(table.count == 0)
    }

    @Test(
        arguments: [
            (0, 1), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (59_999_000_001, 60_000),
            (UInt64.max, 60_000),
        ] as [(UInt64, UInt32)])
    func `A wait is told in whole milliseconds, rounded up, at most a minute`(_ nanos: UInt64, _ millis: UInt32) {
        #expect(RetryAfter.millis(nanos: nanos) == millis)
        #expect(RetryAfter.verdict(nanos: nanos) == .init(maybeStored: false, retry: .after(millis: millis)))
        let later = max(RetryAfter.putMillisMin, millis)
        #expect(RetryAfter.putVerdict(nanos: nanos) == .init(maybeStored: false, retry: .after(millis: later)))
    }
}
