// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What expires, when it is hidden, when it is deleted, and what becomes of its files.
@Suite struct LogRetentionTests {
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000

    private static let oneHour = StreamSettings(retentionMillis: hour, limits: .open)

    @Test func exactlyTheExpiredRecordsDisappear() throws {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.oneHour)
        var texts: [String] = []
        for minute in 0..<60 {
            let group = ["\(minute) a", "\(minute) b"]
            try rig.put(group, to: ref)
            texts += group
            rig.clock.advance(millis: Self.minute)
        }
        // The oldest are an hour old, to the millisecond: still there.
        #expect(rig.read(ref) == LogRig.Reading(texts: Self.indexed(texts, from: 0), missed: 0, end: 120))
        #expect(try rig.resolveNow(.trimHorizon, in: ref, nowMillis: rig.now).get() == 0)
        rig.clock.advance(millis: 1)
        for minute in 0..<60 {
            let gone = 2 * (minute + 1)
            #expect(try rig.resolveNow(.trimHorizon, in: ref, nowMillis: rig.now).get() == UInt64(gone))
            let reading = rig.read(ref)
            #expect(reading.texts == Self.indexed(texts, from: gone))
            #expect(reading.missed == UInt64(gone))
            // Told once: whoever goes on behind it hears nothing more.
            #expect(rig.read(ref, from: UInt64(gone)).missed == 0)
            rig.clock.advance(millis: Self.minute)
        }
        #expect(rig.read(ref).texts.isEmpty)
        // New ones follow with the next index.
        #expect(try rig.put(["later"], to: ref).firstIndex == 120)
        #expect(rig.read(ref).texts == [120: "later"])
        try rig.restart()
        #expect(rig.read(ref) == LogRig.Reading(texts: [120: "later"], missed: 120, end: 121))
    }

    /// The runner looks when it is due, which on a busy log is when a segment has filled up, and never merely because
    /// time has passed.
    @Test func aBusyStreamWithASizeCapGivesItsSegmentsBackAsItGoes() throws {
        let rig = try LogRig()
        let cap: Int64 = 1 << 20
        let ref = try rig.create("orders", StreamSettings(maxBytes: cap, limits: .open))
        var most: Int64 = 0
        for number in 0..<2000 {
            rig.clock.advance(millis: 1)
            try rig.append(["\(number) " + String(repeating: "x", count: 3000)], to: ref)
            try rig.write()
            if rig.core.retentionIsDue(nowNanos: rig.core.retention.waits.lastLookNanos) {
                rig.core.retain(rig.clock.moment, space: try rig.disk.space())
            }
            try rig.doUpkeep()
            most = max(most, rig.core.logBytes)
        }
        // 8 MiB went in. Beside the cap: what waits for its snapshots, and what is ready.
        #expect(most < cap + 20 * (64 << 10), "\(most) bytes")
    }

    /// Segments grow with the log, and a cap goes by segments: the one must not feed the other.
    @Test func segmentsDoNotOutgrowASizeCap() throws {
        let cap: Int64 = 1 << 20
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("orders", StreamSettings(maxBytes: cap, limits: .open))
        var most: Int64 = 0
        for number in 0..<2000 {
            try rig.append(["\(number) " + String(repeating: "x", count: 30_000)], to: ref)
            try rig.write()
            if number % 4 == 0 { try rig.retain() }
            try rig.doUpkeep()
            most = max(most, rig.core.logBytes)
        }
        // 57 MiB went in.
        #expect(most < 6 * cap, "\(most) bytes")
    }

    /// Whatever a segment holds of the cap, and wherever a start finishes it: the newest records stay, as many as the
    /// cap allows.
    @Test(arguments: [1, 2, 16], [-1, 0, 1, 40])
    func aSizeCapLeavesWhatFillsIt(segmentsOfACap: Int, recordsOver: Int) throws {
        let cap: Int64 = 1 << 20
        var configuration = LogRig.small
        configuration.segmentBytesMin = Int(cap) / segmentsOfACap * 5 / 4
        configuration.segmentBytesMax = configuration.segmentBytesMin
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("orders", StreamSettings(maxBytes: cap, limits: .open))
        let text = String(repeating: "x", count: 4000)
        var put = 0
        for round in 0..<5 {
            for _ in 0..<(Int(cap) / 4000 + recordsOver) / (round == 0 ? 1 : 3) {
                try rig.put(["\(put) " + text], to: ref)
                put += 1
            }
            try rig.restart()
            for _ in 0..<3 { try rig.retain() }
            let reading = rig.read(ref)
            let bytes = Int64(reading.texts.count * 4000)
            let last = "round \(round), \(put) records"
            #expect(reading.end == UInt64(put), "\(last)")
            #expect(bytes >= min(cap, Int64(put * 4000)) * 9 / 10, "\(last): \(bytes) bytes are left")
            #expect(bytes <= cap + 2 * Int64(configuration.segmentBytesMin), "\(last): \(bytes) bytes are left")
        }
    }

    /// Segments of a capped stream are dropped behind an older one in which another stream lives, where the capped one
    /// has records too: a gap that nobody misses, before and after a start.
    @Test(arguments: [false, true]) func whatFellToACapBehindAnOlderSegmentIsNotMissed(_ restarts: Bool) throws {
        let rig = try LogRig()
        let capped = try rig.create("capped", StreamSettings(maxBytes: 1 << 20, limits: .open))
        let slow = try rig.create("slow", Self.oneHour)
        try rig.put(["slow"], to: slow)
        try rig.put(["oldest"], to: capped)
        let oldest = try #require(rig.core.segments.first)
        for _ in 0..<12 {
            try rig.fill(segments: 8, to: capped)
            try rig.retain()
        }
        let (one, other) = (rig.core.segments[0], rig.core.segments[1])
        #expect(one === oldest && one.header.order + 1 < other.header.order, "nothing was dropped behind the oldest")
        if restarts { try rig.restart() }
        let index = try rig.resolveNow(.trimHorizon, in: capped, nowMillis: rig.clock.wallMillis).get()
        let reading = rig.read(capped, from: index)
        #expect(reading.missed == 0 && reading.texts.keys.min() == index)
    }

    private static func indexed(_ texts: [String], from first: Int) -> [UInt64: String] {
        Dictionary(uniqueKeysWithValues: texts.enumerated().dropFirst(first).map { (UInt64($0.offset), $0.element) })
    }

    /// Old segments of a stream, and another stream that never stops, so that snapshots go on.
    private func oldSegments(_ settings: StreamSettings) throws -> (rig: LogRig, old: ShardRef, busy: ShardRef) {
        let rig = try LogRig()
        let old = try rig.create("old", settings)
        let busy = try rig.create("busy", Self.oneHour)
        try rig.fill(segments: 4, to: old)
        // Behind them, so that two snapshots cover them.
        try rig.fill(segments: 6, to: busy)
        return (rig, old, busy)
    }

    private func segments(of ref: ShardRef, _ rig: LogRig) -> Int {
        rig.core.segments.count { $0.streams[ref.stream] != nil }
    }

    @Test func deletingWaitsATenthOfTheRetentionAfterHiding() throws {
        let (rig, old, _) = try self.oldSegments(Self.oneHour)
        let held = self.segments(of: old, rig)
        #expect(held >= 3)
        rig.clock.advance(millis: Self.hour)
        try rig.retain()
        #expect(rig.read(old).missed == 0)
        rig.clock.advance(millis: 1)
        try rig.retain()
        #expect(rig.read(old).texts.isEmpty)
        #expect(self.segments(of: old, rig) == held)
        rig.clock.advance(millis: Self.hour / 10 - 1)
        try rig.retain()
        #expect(self.segments(of: old, rig) == held)
        rig.clock.advance(millis: 1)
        try rig.retain()
        #expect(self.segments(of: old, rig) <= 1)
    }

    @Test func theWaitIsAnHourAtMost() throws {
        let (rig, old, _) = try self.oldSegments(StreamSettings(retentionMillis: 100 * Self.hour, limits: .open))
        let held = self.segments(of: old, rig)
        rig.clock.advance(millis: 101 * Self.hour)
        try rig.retain()
        #expect(rig.read(old).texts.isEmpty)
        #expect(self.segments(of: old, rig) == held)
        rig.clock.advance(millis: 1)
        try rig.retain()
        #expect(self.segments(of: old, rig) <= 1)
    }

    @Test func segmentsAreUsedAgainAndTheDiskStaysFlat() throws {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.oneHour)
        var files: Set<String> = []
        var highest: Int64 = 0
        var uses: [UInt64: UInt32] = [:]
        let warm = 30
        for round in 0..<120 {
            for number in 0..<8 { try rig.put(["\(round)-\(number) " + String(repeating: "x", count: 3000)], to: ref) }
            rig.clock.advance(millis: 10 * Self.minute)
            try rig.retain()
            if round == warm {
                files = Set(rig.segmentFiles.map(\.name))
                highest = rig.core.logBytes
                for file in rig.segmentFiles { uses[file.header.file] = file.header.useCount }
            }
            guard round > warm else { continue }
            highest = max(highest, rig.core.logBytes)
            #expect(rig.report.damaged.isEmpty)
        }
        // 8 records of 3 KiB every 10 minutes: of 66 minutes, in segments of 64 KiB.
        #expect(Set(rig.segmentFiles.map(\.name)).count <= files.count + 1)
        #expect(highest <= Int64((files.count + 1) * (64 << 10)))
        #expect(files.count <= 12)
        var again = 0
        for file in rig.segmentFiles where file.header.useCount > uses[file.header.file] ?? 0 { again += 1 }
        #expect(again >= files.count - 1)
        #expect(rig.segmentFiles.contains { $0.header.useCount > 5 })
        // Only the last hour is read: 6 rounds, and the next starts agree.
        let reading = rig.read(ref)
        #expect(reading.texts.count == 6 * 8)
        #expect(reading.missed == UInt64(114 * 8))
        try rig.restart()
        #expect(rig.read(ref) == reading)
    }

    @Test func whatATrimHidesIsDeletedAtOnce() throws {
        let (rig, old, busy) = try self.oldSegments(StreamSettings(limits: .open))
        let held = self.segments(of: old, rig)
        let end = rig.read(old).end
        rig.clock.advance(millis: 1000)
        try rig.retain()
        #expect(self.segments(of: old, rig) == held)
        try rig.submit(.trimStream(old.stream, beforeMillis: rig.now))
        #expect(rig.read(old) == LogRig.Reading(texts: [:], missed: end, end: end))
        #expect(rig.read(old, from: end).missed == 0)
        try rig.retain()
        #expect(self.segments(of: old, rig) <= 1)
        #expect(rig.read(old) == LogRig.Reading(texts: [:], missed: end, end: end))
        // The other stream lost nothing.
        #expect(rig.read(busy).missed == 0)
    }

    @Test func aTrimBeforeAStartIsDeletedAfterTheWait() throws {
        let (rig, old, _) = try self.oldSegments(StreamSettings(limits: .open))
        rig.clock.advance(millis: 1000)
        try rig.submit(.trimStream(old.stream, beforeMillis: rig.now))
        try rig.restart(powerCut: false)
        try rig.settle()
        let held = self.segments(of: old, rig)
        #expect(held >= 3)
        rig.clock.advance(millis: Self.hour - 1)
        try rig.retain()
        #expect(self.segments(of: old, rig) == held)
        rig.clock.advance(millis: 1)
        try rig.retain()
        #expect(self.segments(of: old, rig) <= 1)
    }
}
