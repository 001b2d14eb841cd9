// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Open files: few, whatever the size of the log; and when there are none left, nothing is wrong with the disk.
@Suite struct DescriptorTests {
    /// What a log holds beside the files of its readers.
    private static let ofLog = 8
    private static let readFiles = 3

    private static var configuration: StorageConfiguration {
        var configuration = LogRig.small
        configuration.readFilesMax = Self.readFiles
        return configuration
    }

    // MARK: Few

    @Test(arguments: [4, 16, 64])
    func aLogOfAnyNumberOfSegmentsHoldsFewFiles(segments: Int) throws {
        let rig = try LogRig(configuration: Self.configuration)
        let ref = try rig.create()
        let texts = try rig.fill(segments: segments, to: ref)
        #expect(rig.segmentFiles.count >= segments)
        #expect(rig.disk.takeMostOpenFiles() <= Self.ofLog, "while it was written")
        #expect(rig.read(ref).inOrder == texts)
        #expect(rig.disk.takeMostOpenFiles() <= Self.ofLog + Self.readFiles, "while it was read")
        try rig.restart()
        #expect(rig.disk.takeMostOpenFiles() <= Self.ofLog * 2 + Self.readFiles, "with what the last process had open")
        try rig.settle()
        #expect(rig.disk.openFiles <= Self.ofLog, "after the start")
        #expect(rig.read(ref).inOrder == texts)
        #expect(rig.disk.takeMostOpenFiles() <= Self.ofLog + Self.readFiles, "while it was read after a start")
    }

    @Test func manyStartsWithAPutEachLeaveNoFileOpen() throws {
        let rig = try LogRig(configuration: Self.configuration)
        let ref = try rig.create()
        var texts: [String] = []
        for number in 0..<40 {
            texts.append("put \(number)")
            try rig.put([texts[number]], to: ref)
            if number % 2 == 0 { try rig.stop() }
            try rig.restart(powerCut: number % 3 == 0)
            try rig.settle()
            #expect(rig.disk.openFiles <= Self.ofLog, "after start \(number)")
        }
        #expect(rig.read(ref).inOrder == texts)
        #expect(rig.disk.openFiles <= Self.ofLog + Self.readFiles)
    }

    @Test func aFileThatIsRemovedIsNotHeldOpenForReaders() throws {
        let rig = try LogRig(configuration: Self.configuration)
        let ref = try rig.create()
        try rig.fill(segments: 6, to: ref)
        _ = rig.read(ref)
        #expect(rig.core.reading.files.count == Self.readFiles)
        // Whatever is recycled is too small for this log.
        for file in rig.segmentFiles { rig.core.reading.files.forget(try #require(Segment.fileNumber(file.name))) }
        #expect(rig.core.reading.files.count == 0)
        let first = try #require(rig.core.segments.first)
        _ = try rig.core.reading.files.file(first.header.file, rig.disk)
        rig.core.files.adopt(free: [.init(file: first.header.file, useCount: 1, size: 4096)], inUse: 0)
        try rig.doUpkeep()
        #expect(rig.disk.image[Segment.fileName(first.header.file)] == nil, "the upkeep has removed it")
        #expect(rig.core.reading.files.count == 0)
    }

    // MARK: None left

    /// Fails each opening from the first to the last in turn: no start takes that for damage or for an empty folder.
    @Test(arguments: [false, true])
    func aStartThatIsRefusedADescriptorChangesNothingAndWorksAgain(stopped: Bool) throws {
        let written = try LogRig(configuration: Self.configuration)
        let ref = try written.create()
        let texts = try written.fill(segments: 5, to: ref)
        if stopped { try written.stop() }
        var opening = 0
        while true {
            let disk = written.disk.copy()
            let count = Mutex(0)
            let failing = opening
            disk.decideFaults { operation in
                guard operation.opens else { return nil }
                let number = count.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return number == failing ? .noDescriptors : nil
            }
            do {
                let rig = try LogRig(disk, configuration: Self.configuration)
                #expect(count.withLock { $0 } <= failing, "opening \(failing) failed, and the start went on")
                #expect(rig.report.damaged.isEmpty)
                break
            } catch let error as StorageError {
                #expect(error.shortage == .noDescriptors, "opening \(failing): \(error)")
            }
            disk.decideFaults(nil)
            disk.restart(powerCut: opening % 2 == 0)
            let again = try LogRig(disk, configuration: Self.configuration)
            #expect(again.report.damaged.isEmpty, "opening \(failing)")
            #expect(again.read(ref).inOrder == texts, "opening \(failing)")
            opening += 1
        }
        #expect(opening > 10)
    }

    /// As above, of a log at work: whatever could not be opened is tried again, and no file is given up for it.
    @Test func aLogThatIsRefusedADescriptorTriesAgain() throws {
        var opening = 0
        while true {
            let rig = try LogRig(configuration: Self.configuration)
            let ref = try rig.create()
            let failing = opening
            let count = Mutex(0)
            rig.disk.decideFaults { operation in
                guard operation.opens else { return nil }
                let number = count.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return number == failing ? .noDescriptors : nil
            }
            var texts: [String] = []
            for number in 0..<120 {
                let text = "\(number) " + String(repeating: "x", count: 3000)
                try rig.append([text], to: ref)
                texts.append(text)
                try Self.write(rig)
                while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
                if number % 40 == 39 { try Self.retain(rig) }
            }
            rig.disk.decideFaults(nil)
            for _ in 0..<3 { try Self.retain(rig) }
            #expect(rig.core.files.setAside.isEmpty, "opening \(failing): a whole file was given up")
            #expect(rig.core.segments.allSatisfy { $0 === rig.core.active || $0.footerWritten }, "opening \(failing)")
            #expect(rig.read(ref).inOrder == texts, "opening \(failing)")
            try rig.restart()
            #expect(rig.report.damaged.isEmpty, "opening \(failing)")
            #expect(rig.read(ref).inOrder == texts, "opening \(failing)")
            if count.withLock({ $0 }) <= failing { break }
            opening += 1
        }
        #expect(opening > 10)
    }

    /// As the writers do: a shortage is waited out.
    private static func write(_ rig: LogRig) throws {
        for _ in 0..<10 {
            do {
                return try rig.write()
            } catch let error as FileError where error.isShortage {
                rig.core.unblock()
            }
        }
        Issue.record("the log does not go on")
    }

    private static func retain(_ rig: LogRig) throws {
        rig.core.retain(rig.clock.moment, space: nil)
        while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
        try self.write(rig)
    }

    @Test func aRecycledFileThatCouldNotBeOpenedIsUsedLater() throws {
        let rig = try LogRig(configuration: Self.configuration)
        let ref = try rig.create()
        try rig.fill(segments: 4, to: ref)
        try rig.submit(.deleteStream(ref.stream))
        for _ in 0..<5 {
            rig.clock.advance(millis: 1000)
            try rig.retain()
            try rig.closeIdle()
        }
        let file = try #require(rig.core.files.free.last)
        for failing in 0..<2 {
            let preparation = rig.core.planPreparation(atLeast: 0, ahead: true)
            #expect(preparation.recycled)
            let before = rig.core.files.free.count
            let count = Mutex(0)
            rig.disk.decideFaults { operation in
                guard operation.opens else { return nil }
                return count.withLock { count in
                    defer { count += 1 }
                    return count
                } == failing ? .noDescriptors : nil
            }
            let image = rig.disk.image
            let task = UpkeepTask.prepare(preparation)
            let result = task.result(rig.disk)
            rig.disk.decideFaults(nil)
            #expect(throws: FileError.self) { try result.get() }
            rig.core.finished(task, result)
            #expect(rig.disk.image == image, "nothing was written")
            #expect(rig.core.files.free.count == before + 1 && rig.core.files.setAside.isEmpty)
            #expect(rig.core.files.free.contains { $0.file == file.file && $0.useCount == file.useCount })
        }
    }
}

/// The same through the real threads.
@Suite struct DescriptorRunnerTests {
    /// Whether there are descriptors.
    private final class Shortage: Sendable {
        private struct State {
            var isOn = false
            var failsSync = false
        }
        private let state = Mutex(State())

        var isOn: Bool {
            get { self.state.withLock { $0.isOn } }
            set { self.state.withLock { $0.isOn = newValue } }
        }

        /// The next sync of a segment fails, and then there are no descriptors.
        func failSync() { self.state.withLock { $0.failsSync = true } }

        @Sendable func decide(_ operation: DiskOperation) -> DiskFault? {
            self.state.withLock { state in
                if state.failsSync, case .sync(let name) = operation, name.hasPrefix("segment-") {
                    (state.failsSync, state.isOn) = (false, true)
                    return .failed
                }
                return state.isOn ? .noDescriptors : nil
            }
        }
    }

    private func open(_ shortage: Shortage, _ box: ProgressBox) throws -> (Storage, ShardRef) {
        let disk = SimFileSystem(seed: 9)
        disk.decideFaults(shortage.decide)
        let storage = try Storage.open(LogRig.small, on: disk, clock: SystemClock(), handler: box.note)
        let lsn = try storage.withLog { log throws(WeirError) in
            try log.submit(
                .createStream(name: try StreamName("orders"), shards: 1, settings: StreamSettings(limits: .open)),
                nowMillis: SystemClock().wallMillis
            ).lsn
        }
        box.wait(lsn)
        let stream = try #require(storage.withLog { $0.catalog.streams(after: nil, limit: 1).first?.id })
        return (storage, ShardRef(stream: stream, shard: ShardNumber(0)))
    }

    private func append(_ text: String, _ ref: ShardRef, _ storage: Storage) throws -> LSN {
        try storage.withLog { log throws(WeirError) in
            try RoundTripTests.append(text, to: ref, in: log, staged: false)
        }
    }

    @Test func aSegmentThatCannotBeOpenedMakesPutsWaitAndIsNoFailedWrite() throws {
        let (shortage, box) = (Shortage(), ProgressBox())
        let (storage, ref) = try self.open(shortage, box)
        let filler = String(repeating: "x", count: 20_000)
        shortage.isOn = true
        var texts: [String] = []
        var last = LSN.none
        for number in 0..<20 {
            texts.append("\(number) \(filler)")
            last = try self.append(texts[number], ref, storage)
        }
        #expect(
            box.wait(
                for: { if case .notice(let said) = $0 { said.contains("too many open files") } else { false } },
                count: 1))
        #expect(storage.withLog { $0.durableLSN } < last)
        // Many attempts later it was told once.
        let attempts = storage.withLog { $0.files.nextOrder } + 3
        let tried: Void? = storage.monitor.wait(milliseconds: 30_000) { $0.core.files.nextOrder >= attempts ? () : nil }
        #expect(tried != nil)
        #expect(box.notices.count { $0.contains("could not be made") } == 1)
        shortage.isOn = false
        box.wait(last)
        #expect(try RoundTripTests.readAll(storage, ref) == texts)
        #expect(box.notices.contains("log segments can be made again"))
        storage.shutdown()
        #expect(box.failures == 0)
    }

    @Test func aRecoveryWithoutDescriptorsWaitsForThem() throws {
        let (shortage, box) = (Shortage(), ProgressBox())
        let (storage, ref) = try self.open(shortage, box)
        box.wait(try self.append("kept", ref, storage))
        shortage.failSync()
        _ = try self.append("lost", ref, storage)
        let waits = "the recovery waits, and is tried again: "
        #expect(box.wait(for: { if case .notice(let said) = $0 { said.hasPrefix(waits) } else { false } }, count: 1))
        #expect(storage.withLog { $0.unavailable() }?.code == .unavailable)
        shortage.isOn = false
        #expect(box.wait(for: { if case .recovered = $0 { true } else { false } }, count: 1))
        box.wait(try self.append("later", ref, storage))
        let texts = try RoundTripTests.readAll(storage, ref)
        #expect(texts.filter { $0 != "lost" } == ["kept", "later"])
        storage.shutdown()
        #expect(box.failures == 1)
        #expect(!box.notices.contains { $0.contains("damaged") })
    }

    @Test func aLogThatStopsWithoutDescriptorsStoresWhatItTookWhenTheConnectionsGiveThemBack() throws {
        let (shortage, box) = (Shortage(), ProgressBox())
        let (storage, ref) = try self.open(shortage, box)
        let filler = String(repeating: "x", count: 20_000)
        shortage.isOn = true
        var last = LSN.none
        for _ in 0..<8 { last = try self.append(filler, ref, storage) }
        #expect(box.wait(for: { if case .notice = $0 { true } else { false } }, count: 1))
        WeirIO.Thread.start("test-stop") {
            storage.shutdown()
            box.note(.notice("stopped"))
        }
        let closing: Void? = storage.monitor.wait(milliseconds: 30_000) { $0.closing ? () : nil }
        #expect(closing != nil)
        shortage.isOn = false
        box.wait(last)
        #expect(box.wait(for: { if case .notice("stopped") = $0 { true } else { false } }, count: 1))
        #expect(box.failures == 0)
    }
}
