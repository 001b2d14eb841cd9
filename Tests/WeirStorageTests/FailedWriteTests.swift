// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// A write or a sync that fails: never retried on the same file, nothing falsely acknowledged, and the node goes on.
@Suite struct FailedWriteTests {
    @Test func aSyncThatFailedTakesTheOtherCommitInFlightWithIt() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append(["one"], to: ref)
        let first = try #require(try rig.take())
        try rig.append(["two"], to: ref)
        let second = try #require(try rig.take())
        try first.write()
        try second.write()
        rig.disk.decideFaults { if case .sync = $0 { .failed } else { nil } }
        #expect(throws: FileError.self) { try second.sync() }
        rig.disk.decideFaults(nil)
        // The system would call this sync a success: the pages count as clean.
        #expect(throws: FileError.self) { try first.sync() }
    }

    @Test func numbersThatWereGivenOutAreNotGivenAgain() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        var highest = LSN.none
        // Each event behind a batch opens a commit: many numbers wait for the disk.
        for number in 0..<100 {
            highest = try rig.append(["\(number)"], to: ref).lsn
            _ = try rig.core.submit(
                .createStream(name: try StreamName("s\(number)"), shards: 1, settings: StreamSettings()),
                nowMillis: rig.now)
        }
        try rig.recoverInProcess()
        let next = try rig.put(["later"], to: ref).lsn
        #expect(next > highest)
        #expect(rig.read(ref).inOrder == ["later"])
    }

    @Test func aShardOfTheTermThatFailedTakesNothing() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        let shard = try #require(rig.core.shard(ref))
        try rig.append(["lost"], to: shard)
        try rig.recoverInProcess()
        #expect(throws: WeirError.self) { try rig.append(["late"], to: shard) }
        try rig.put(["new"], to: ref)
        #expect(rig.read(ref).inOrder == ["new"])
    }

    @Test func aClockThatJumpedStaysSuspectAfterARecoveryInTheProcess() throws {
        let rig = try LogRig()
        try rig.create()
        rig.clock.jump(millis: 3_600_000)
        #expect(try rig.retain() != nil)
        try rig.recoverInProcess()
        #expect(try rig.retain() != nil)
        // A start does not make it right, only the operator's word does.
        try rig.restart()
        #expect(try rig.retain() != nil)
        rig.configuration.trustsClock = true
        try rig.restart()
        #expect(try rig.retain() == nil)
    }

    @Test func aFooterThatCouldNotBeWrittenIsWrittenLater() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.restart()
        // The segment of the last term ends here for good.
        let task = try #require(rig.core.nextUpkeep())
        guard case .footer(let job) = task else {
            Issue.record("the log wants to write a footer, not \(task)")
            return
        }
        rig.core.finished(task, .failure(FileError(.io, "played")))
        try rig.doUpkeep()
        #expect(!job.segment.footerWritten)
        try rig.retain()
        #expect(job.segment.footerWritten)
    }

    @Test func aFullBudgetIsNamedAsSuch() throws {
        var configuration = LogRig.small
        configuration.logBytesMax = 256 << 10
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create()
        let filler = String(repeating: "x", count: 8000)
        var acknowledged = 0
        let error = #expect(throws: WeirError.self) {
            while acknowledged < 100 {
                try rig.put([filler], to: ref)
                acknowledged += 1
            }
        }
        #expect(error?.code == .storageFull)
        #expect(
            error?.message
                == "the log takes \(rig.core.logBytes) of the 262144 bytes it may (log-max-bytes): shorten a "
                + "retention, set a maximum size, or raise the budget")
        #expect(rig.read(ref).texts.count == acknowledged)
        // What is the node's own still has room: streams can be deleted, and then puts go on.
        try rig.submit(.deleteStream(ref.stream))
        for _ in 0..<10 {
            rig.clock.advance(millis: 1000)
            try rig.retain()
            try rig.closeIdle()
        }
        let other = try rig.create("other")
        try rig.put([filler], to: other)
        #expect(rig.read(other).texts.count == 1)
    }

    @Test func aSegmentAheadThatCouldNotBeMadeFailsNoPut() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.append([String(repeating: "x", count: 40_000)], to: ref)
        try rig.write()
        let task = try #require(rig.core.nextUpkeep())
        guard case .prepare = task else {
            Issue.record("the log wants a segment ahead, not \(task)")
            return
        }
        rig.core.finished(task, .failure(FileError(.io, "played")))
        #expect(rig.core.nextUpkeep().map { "\($0)" } == nil)
        try rig.put([String(repeating: "y", count: 40_000)], to: ref)
        #expect(rig.read(ref).texts.count == 2)
    }
}

extension WeirStorage.Progress {
    fileprivate var isRecovered: Bool { if case .recovered = self { true } else { false } }
    fileprivate var isStopped: Bool { if case .stopped = self { true } else { false } }
}

/// The same through the real threads.
@Suite struct FailedWriteRunnerTests {
    /// Faults that a test switches on and off while threads run.
    private final class Switch: Sendable {
        /// A Mutex of a bare closure would wrap it once more at every look, and look through all of them.
        private struct State { var fault: SimFileSystem.Judge? }
        private let state = Mutex(State())

        func play(_ fault: SimFileSystem.Judge?) { self.state.withLock { $0.fault = fault } }
        @Sendable func decide(_ operation: DiskOperation) -> DiskFault? {
            self.state.withLock { $0.fault }?(operation)
        }
    }

    private func open(_ disk: SimFileSystem, _ box: ProgressBox) throws -> Storage {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 1 << 20
        return try Storage.open(configuration, on: disk, clock: SystemClock(), handler: box.note)
    }

    private func create(_ storage: Storage, _ box: ProgressBox) throws -> ShardRef {
        let name = try StreamName("orders")
        let lsn = try storage.withLog { log throws(WeirError) in
            try log.submit(
                .createStream(name: name, shards: 1, settings: StreamSettings(limits: .open)),
                nowMillis: SystemClock().wallMillis
            ).lsn
        }
        box.wait(lsn)
        let stream = try #require(storage.withLog { $0.catalog.stream(named: name)?.id })
        return ShardRef(stream: stream, shard: ShardNumber(0))
    }

    @Test(arguments: [false, true])
    func aFailedWriteIsToldAndRecoveredFrom(direct: Bool) throws {
        let faults = Switch()
        let disk = SimFileSystem(seed: 5, direct: direct)
        disk.decideFaults(faults.decide)
        let box = ProgressBox()
        let storage = try self.open(disk, box)
        let ref = try self.create(storage, box)
        var acknowledged: [String] = []
        for round in 0..<10 {
            for number in 0..<20 {
                let text = "round \(round) record \(number)"
                let lsn = try storage.withLog { log throws(WeirError) in
                    try RoundTripTests.append(text, to: ref, in: log, staged: number % 2 == 0)
                }
                box.wait(lsn)
                acknowledged.append(text)
            }
            // Until one is told: the first may hit the upkeep, which tries again later.
            faults.play { operation in
                let isOfSegment: Bool
                switch operation {
                case .write(let name, let offset, _):
                    isOfSegment = direct && offset >= SegmentHeader.bytes && name.hasPrefix("segment-")
                case .sync(let name): isOfSegment = !direct && name.hasPrefix("segment-")
                default: isOfSegment = false
                }
                return isOfSegment && box.failures <= round ? .failed : nil
            }
            // Of this one nobody is told; it may be there or not.
            _ = try? storage.withLog { log throws(WeirError) in
                try RoundTripTests.append("lost in round \(round)", to: ref, in: log, staged: false)
            }
            #expect(box.wait(for: \.isRecovered, count: round + 1))
            faults.play(nil)
        }
        let texts = try RoundTripTests.readAll(storage, ref)
        #expect(texts.filter { !$0.hasPrefix("lost") } == acknowledged)
        storage.shutdown()
        #expect(box.failures == 10)
        // The operator hears which file failed and what became of the end of the log.
        #expect(box.reasons.allSatisfy { $0.hasPrefix("segment-") && $0.hasSuffix(".log: input/output error") })
        #expect(box.notices.contains("1 commit at the end of the log was written again and synced"))
    }

    @Test func aDiskThatFailsAgainAndAgainStopsTheNodeWithASentence() throws {
        let faults = Switch()
        let disk = SimFileSystem(seed: 6)
        disk.decideFaults(faults.decide)
        let box = ProgressBox()
        let storage = try self.open(disk, box)
        let ref = try self.create(storage, box)
        faults.play { if case .sync = $0 { .failed } else { nil } }
        _ = try storage.withLog { log throws(WeirError) in
            try RoundTripTests.append("lost", to: ref, in: log, staged: false)
        }
        #expect(box.wait(for: \.isStopped, count: 1))
        let sentence = try #require(storage.withLog { $0.unavailable() }?.message)
        #expect(sentence.hasPrefix("the node has stopped: "))
        #expect(sentence.hasSuffix(".log: input/output error"))
        storage.shutdown()
    }

    @Test func aFullDiskRefusesPutsAndGoesOnWhenThereIsSpaceAgain() throws {
        let disk = SimFileSystem(seed: 7, capacity: 4 << 20)
        let box = ProgressBox()
        let storage = try self.open(disk, box)
        let ref = try self.create(storage, box)
        let filler = String(repeating: "x", count: 20_000)
        var acknowledged: [String] = []
        var refusal: WeirError?
        while refusal == nil {
            let text = "\(acknowledged.count) " + filler
            do throws(WeirError) {
                let lsn = try storage.withLog { log throws(WeirError) in
                    try RoundTripTests.append(text, to: ref, in: log, staged: false)
                }
                box.wait(lsn)
                acknowledged.append(text)
            } catch {
                refusal = error
            }
        }
        #expect(refusal?.code == .storageFull)
        #expect(refusal?.verdict.maybeStored == false)
        let sentence = try #require(refusal?.message)
        #expect(sentence.hasPrefix("the disk has "))
        #expect(sentence.hasSuffix(" of them and leaves 262144 alone: free some space"))
        #expect(acknowledged.count > 50)
        #expect(try RoundTripTests.readAll(storage, ref) == acknowledged)
        disk.capacity = 64 << 20
        var lsn: LSN?
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(30)
        while lsn == nil, clock.now < deadline {
            lsn = try? storage.withLog { log throws(WeirError) in
                try RoundTripTests.append("after", to: ref, in: log, staged: false)
            }
        }
        box.wait(try #require(lsn))
        #expect(try RoundTripTests.readAll(storage, ref) == acknowledged + ["after"])
        storage.shutdown()
        #expect(box.failures == 0)
    }

    @Test func aNodeWithoutSpaceForWhatItTookStopsWhenItIsToldTo() throws {
        let faults = Switch()
        let disk = SimFileSystem(seed: 8)
        disk.decideFaults(faults.decide)
        let box = ProgressBox()
        let storage = try self.open(disk, box)
        let ref = try self.create(storage, box)
        // Somebody else fills the disk between the promise and the file.
        faults.play { if case .create = $0 { .noSpace } else { nil } }
        let filler = String(repeating: "x", count: 200_000)
        _ = try storage.withLog { log throws(WeirError) in
            try RoundTripTests.append(filler, to: ref, in: log, staged: false)
        }
        storage.shutdown()
        #expect(box.wait(for: \.isStopped, count: 1))
        #expect(storage.withLog { $0.unavailable() }?.message.contains("no space left on device") == true)
    }
}
