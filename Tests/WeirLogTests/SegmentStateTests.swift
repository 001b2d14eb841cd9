// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirLog

/// What a log knows of one segment, in every stage and after every event.
@Suite struct SegmentStateTests {
    private static let size = 64 << 10

    private static func state(_ stage: SegmentState.Stage) -> SegmentState {
        var state = SegmentState(
            header: SegmentHeader(
                logID: 1, file: 1, useCount: 1, order: 1, size: UInt64(Self.size), term: 1, cut: .origin,
                trustedMillis: 0),
            size: Self.size)
        _ = state.plan(bytes: 4096, entries: 2)
        state.publish(Self.commit(7, previous: 6, acknowledged: 5, millis: 100), at: SegmentHeader.bytes)
        if stage != .growing { state.fill() }
        if stage == .footed { state.foot(size: Self.size / 2) }
        return state
    }

    private static func commit(_ lsn: UInt64, previous: UInt64, acknowledged: UInt64, millis: Int64) -> CommitHeader {
        CommitHeader(
            logID: 1, term: 1, lsn: LSN(lsn), previous: CommitPoint(lsn: LSN(previous), checksum: UInt32(previous)),
            acknowledged: LSN(acknowledged), length: 4096, eventsLength: 0, catalogVersion: 0, eventCount: 0,
            batchCount: 0, batchesLength: 0, useCount: 1, timeMillis: millis, checksum: UInt32(lsn))
    }

    @Test(arguments: [SegmentState.Stage.growing, .full, .footed])
    func theTableOfStagesAndEvents(stage: SegmentState.Stage) {
        func check(_ event: String, _ wanted: SegmentState.Stage, _ body: (inout SegmentState) -> Void) {
            var state = Self.state(stage)
            #expect(state.stage == stage)
            body(&state)
            #expect(state.stage == wanted, "\(stage), \(event)")
        }
        check("fill", stage == .growing ? .full : stage) { $0.fill() }
        check("foot", .footed) { $0.foot(size: 8192 * 2) }
        check("publish", stage) { $0.publish(Self.commit(8, previous: 7, acknowledged: 6, millis: 90), at: 12_288) }
        check("add", stage) { $0.add(StreamID(1), bytes: 1, lastArrivalMillis: 1) }
        check("damage", stage) { $0.damage() }
        if stage == .growing { check("plan", .growing) { #expect($0.plan(bytes: 4096, entries: 1) == 12_288) } }
    }

    @Test func whatIsDurableOnlyRisesAndTheFirstCommitSaysWhatItFollows() {
        var state = Self.state(.growing)
        state.publish(Self.commit(8, previous: 7, acknowledged: 4, millis: 90), at: 12_288)
        #expect(state.firstPrevious.lsn == LSN(6) && state.last == CommitPoint(lsn: LSN(8), checksum: 8))
        #expect(state.durableEnd == 16_384 && state.acknowledged == LSN(5) && state.timeMillis == 100)
        #expect(state.plannedEnd == 12_288, "what is planned goes its own way")
        state.replay(Self.commit(9, previous: 8, acknowledged: 8, millis: 110), at: 16_384, batches: 3)
        #expect(state.plannedEnd == 20_480 && state.durableEnd == 20_480 && state.plannedEntries == 5)
        state.endDamaged(seen: LSN(12))
        #expect(state.last == CommitPoint(lsn: LSN(12), checksum: 0))
    }

    /// Around the end of the file: what fits leaves room for the footer that it brings.
    @Test(arguments: [0, 1, 100, 1_000]) func aCommitFitsWithTheFooterBehindIt(entries: Int) {
        let state = Self.state(.growing)
        let footer = SegmentFooter.diskBytes(shards: 2 + entries, entries: 2 + entries)
        let room = Self.size - state.plannedEnd - footer
        for bytes in [room - 4096, room - 1, room, room + 1, room + 4096] where bytes > 0 {
            #expect(state.fits(bytes: bytes, entries: entries) == (bytes <= room))
        }
    }

    @Test func aFooterSaysOfASegmentWhatItsCommitsSaid() {
        var index = ShardIndex()
        index.append(IndexEntry(firstIndex: 0, arrivalMillis: 50, offset: 8192, length: 70, count: 1))
        index.append(IndexEntry(firstIndex: 1, arrivalMillis: 60, offset: 9000, length: 30, count: 2))
        let shards = [(1, 0), (1, 1), (2, 0)].map { stream, shard in
            SegmentFooter.Shard(stream: StreamID(stream), shard: ShardNumber(shard), index: index)
        }
        let written = Self.state(.full)
        let footer = SegmentFooter(
            firstPrevious: written.firstPrevious, last: written.last, endOffset: UInt64(written.durableEnd),
            timeMillis: written.timeMillis, acknowledged: written.acknowledged, shards: shards)
        let read = SegmentState(header: written.header, size: Self.size, footer: footer)
        #expect(read.stage == .footed && read.plannedEnd == written.durableEnd && read.plannedEntries == 6)
        #expect(read.last == written.last && read.firstPrevious == written.firstPrevious)
        #expect(read.acknowledged == written.acknowledged && read.timeMillis == written.timeMillis)
        #expect(
            read.streams == [
                StreamID(1): .init(bytes: 200, lastArrivalMillis: 60),
                StreamID(2): .init(bytes: 100, lastArrivalMillis: 60),
            ])
    }
}
