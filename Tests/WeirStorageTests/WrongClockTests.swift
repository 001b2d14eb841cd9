// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What a wall clock that is wrong costs: nothing that does not come back when it is right again.
@Suite struct WrongClockTests {
    private static let minute: Int64 = 60_000
    private static let hour: Int64 = 3_600_000
    private static let day: Int64 = 24 * hour
    private static let daily = StreamSettings(retentionMillis: day, limits: .open)

    /// Twelve segments of a stream that keeps a day, on a stopped node.
    private func full() throws -> (rig: LogRig, ref: ShardRef, reading: LogRig.Reading) {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.daily)
        try rig.fill(segments: 12, to: ref)
        return (rig, ref, rig.read(ref))
    }

    @Test(arguments: [2 * hour, 30 * hour, 400 * day], [true, false])
    func aStartWithAClockAheadDestroysNothing(ahead: Int64, looksOften: Bool) throws {
        let (rig, ref, before) = try self.full()
        try rig.stop()
        rig.clock.jump(millis: ahead)
        try rig.restart(powerCut: false)
        let held = try rig.retain()
        #expect(held?.aheadMillis == ahead)
        for _ in 0..<(looksOften ? 30 : 1) {
            rig.clock.advance(millis: 1000)
            try rig.retain()
        }
        if ahead > Self.day { #expect(rig.read(ref).texts.isEmpty) }
        // The clock is right again, and after a start too.
        rig.clock.jump(millis: -ahead)
        #expect(rig.read(ref) == before)
        try rig.restart()
        try rig.retain()
        #expect(rig.read(ref) == before)
    }

    /// One put and one new application while the clock is beyond what a sequence number can hold, or before 1970.
    @Test(arguments: [-3000 * 365 * day, -60 * 365 * day, 200 * 365 * day, 3000 * 365 * day])
    func aClockOutsideOfAllTimeLeavesALogThatOpensAndGoesOn(jump: Int64) throws {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.daily)
        try rig.put(["before"], to: ref)
        rig.clock.jump(millis: jump)
        try rig.put(["meanwhile"], to: ref)
        let application = ApplicationRef(stream: ref.stream, name: try ApplicationName("billing"))
        try rig.core.submit(.createApplication(application, from: .latest), nowMillis: rig.now)
        try rig.write()
        rig.clock.jump(millis: -jump)
        for round in 0..<3 {
            try rig.fill(segments: 4, to: ref)
            try rig.restart()
            #expect(rig.core.leases.application(application)?.rows.count == 1, "round \(round)")
            let next = try rig.create("next-\(round)", Self.daily)
            try rig.submit(.splitShard(next.stream, next.shard, at: nil))
            try rig.submit(.deleteStream(next.stream))
            try rig.write()
        }
        #expect(rig.core.time.stampsAheadMillis(rig.now) != nil || jump < 0)
    }

    @Test(arguments: [true, false]) func aJumpThatIsCorrectedTakesNoShardAndHidesNothingForGood(puts: Bool) throws {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.daily)
        let quiet = try rig.create("quiet", Self.daily)
        try rig.put(["parent 1", "parent 2"], to: ref)
        try rig.put(["quiet 1", "quiet 2"], to: quiet)
        rig.clock.advance(millis: 1000)
        try rig.submit(.splitShard(ref.stream, ref.shard, at: nil))
        rig.clock.advance(millis: Self.minute)
        rig.clock.jump(millis: 400 * Self.day)
        // Stamped while the clock is wrong.
        if puts { try rig.put(["quiet 3"], to: quiet) }
        try rig.retain()
        rig.clock.jump(millis: -400 * Self.day)
        for _ in 0..<2 {
            try rig.retain()
            #expect(rig.read(ref).texts == [0: "parent 1", 1: "parent 2"])
            #expect(rig.read(quiet).texts.count == (puts ? 3 : 2))
            #expect(rig.read(quiet).missed == 0)
            #expect(rig.core.catalog.stream(ref.stream)?.shards.count == 3)
            try rig.restart()
        }
    }

    @Test func aClockThatIsRightAfterAWhileIsBelievedAfterAnHour() throws {
        let (rig, ref, before) = try self.full()
        try rig.stop()
        // Two weeks in a drawer.
        rig.clock.advance(millis: 14 * Self.day)
        rig.clock.isSynchronized = true
        try rig.restart(powerCut: false)
        let other = try rig.create("other", Self.daily)
        try rig.fill(segments: 3, to: other)
        func held() -> Int { rig.core.segments.count { $0.streams[ref.stream] != nil } }
        #expect(held() >= 11)
        var minutes = 0
        while try rig.retain() != nil {
            #expect(held() >= 11)
            minutes += 1
            rig.clock.advance(millis: Self.minute)
            try #require(minutes < 1000)
        }
        #expect((59...61).contains(minutes))
        try rig.retain()
        #expect(held() <= 1)
        #expect(rig.read(ref).missed == before.end)
    }

    /// A log in which nothing happens carries the time on: a start that follows loses minutes of it, not days.
    @Test(arguments: [true, false]) func aQuietLogKeepsItsTimeThroughACrash(powerCut: Bool) throws {
        let rig = try LogRig()
        let ref = try rig.create("orders", Self.daily)
        try rig.put(["one"], to: ref)
        for _ in 0..<300 {
            rig.clock.advance(millis: Self.minute)
            try rig.retain()
            try rig.closeIdle()
        }
        try rig.restart(powerCut: powerCut)
        #expect(rig.now - rig.core.time.trustedMillis < 11 * Self.minute)
    }

    @Test func theOperatorsWordIsBelievedAtOnce() throws {
        let (rig, ref, _) = try self.full()
        try rig.stop()
        rig.clock.advance(millis: 14 * Self.day)
        rig.configuration.trustsClock = true
        try rig.restart(powerCut: false)
        let other = try rig.create("other", Self.daily)
        try rig.fill(segments: 3, to: other)
        #expect(try rig.retain() == nil)
        try rig.retain()
        #expect(rig.core.segments.count { $0.streams[ref.stream] != nil } <= 1)
        #expect(rig.read(ref).texts.isEmpty)
    }

    /// What does not depend on a clock goes on whatever the clock does.
    @Test(arguments: [-hour, -6 * minute, 6 * minute, hour, 400 * day])
    func aDeletedStreamGivesItsSpaceBackWhateverTheClockDoes(jump: Int64) throws {
        let (rig, ref, _) = try self.full()
        let other = try rig.create("other", Self.daily)
        rig.clock.jump(millis: jump)
        try rig.submit(.deleteStream(ref.stream))
        try rig.fill(segments: 3, to: other)
        for _ in 0..<5 {
            rig.clock.advance(millis: 1000)
            try rig.retain()
            try rig.closeIdle()
        }
        #expect(rig.core.segments.count { $0.streams[ref.stream] != nil } <= 1)
    }

    /// A cap is a position, so it holds under any clock; while stamps stand still all records bear the same time.
    @Test(arguments: [-400 * day, -hour, -6 * minute, 6 * minute, hour, 400 * day], [true, false])
    func aSizeCapHoldsWhateverTheClockDoes(jump: Int64, isCorrected: Bool) throws {
        let rig = try LogRig()
        let cap: Int64 = 1 << 20
        let ref = try rig.create("orders", StreamSettings(retentionMillis: Self.day, maxBytes: cap, limits: .open))
        let filler = String(repeating: "x", count: 3000)
        var put: UInt64 = 0
        func fill(_ count: Int) throws {
            for _ in 0..<count {
                rig.clock.advance(millis: 1)
                try rig.append(["\(put) " + filler], to: ref)
                try rig.write()
                put += 1
                if rig.core.retentionIsDue(nowNanos: rig.core.retention.waits.lastLookNanos) {
                    rig.core.retain(rig.clock.moment, space: try rig.disk.space())
                }
                try rig.doUpkeep()
                #expect(rig.core.logBytes < cap + 20 * (64 << 10))
            }
        }
        try fill(800)
        rig.clock.jump(millis: jump)
        try fill(400)
        if isCorrected { rig.clock.jump(millis: -jump) }
        try fill(800)
        // The newest of them are there, close to what the cap allows, without a gap.
        let reading = rig.read(ref)
        #expect(reading.end == put)
        let first = try #require(reading.texts.keys.min())
        #expect(reading.texts.count == Int(put - first))
        let bytes = Int64(reading.texts.count * 3000)
        #expect(bytes <= cap + 3 * (64 << 10))
        #expect(bytes >= cap - (64 << 10))
        try rig.restart()
        #expect(rig.read(ref) == reading)
    }

    @Test func loweringARetentionUnderAWrongClockStoresNothingThatIsNotTrue() throws {
        let (rig, ref, before) = try self.full()
        rig.clock.jump(millis: 400 * Self.day)
        try rig.submit(.updateStream(ref.stream, StreamChanges(retentionMillis: 12 * Self.hour)))
        #expect(rig.read(ref).texts.isEmpty)
        rig.clock.jump(millis: -400 * Self.day)
        #expect(rig.read(ref) == before)
    }
}
