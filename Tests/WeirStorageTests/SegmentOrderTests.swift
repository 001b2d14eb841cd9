// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

@testable import WeirStorage

/// Segments are replayed by their order, so they must be used in it, however long each takes to be made.
@Suite struct SegmentOrderTests {
    /// One log driven by hand: what two writers and the upkeep do, in an order of our choosing.
    private final class Driver {
        let fileSystem: PosixFileSystem
        let core: LogCore
        var previous: CommitPoint
        var orders: [UInt64] = []

        init(_ folder: String) throws {
            self.fileSystem = try PosixFileSystem(folder: folder, mode: .buffered)
            let recovered = try Recovery.run(
                self.fileSystem, StorageConfiguration(folder: folder), clock: SystemClock(), pool: BufferPool(keep: 4),
                start: .process(newLogID: 7))
            self.core = recovered.core
            self.previous = recovered.core.cut
        }

        /// Writes all that waits, making segments as a writer does that cannot wait.
        func write() throws {
            while let task = self.core.takeTask() {
                switch task {
                case .write(let job):
                    if self.orders.last != job.segment.header.order { self.orders.append(job.segment.header.order) }
                    self.previous = job.seal(previous: self.previous)
                    try job.perform()
                    _ = self.core.written(job, nowNanos: 1)
                case .prepare(let preparation): try self.perform(preparation)
                case .blocked(let error): throw error
                }
            }
        }

        func perform(_ preparation: SegmentPreparation) throws {
            self.core.prepared(preparation, .success(try preparation.perform(self.fileSystem)))
        }

        func put(_ text: String, to ref: ShardRef) throws {
            _ = try RoundTripTests.append(text, to: ref, in: self.core, staged: false)
            try self.write()
        }
    }

    @Test func aSegmentThatIsReadyTooLateIsNotUsedBehindALaterOne() throws {
        let folder = try TemporaryFolder()
        let driver = try Driver(folder.path)
        let name = try StreamName("s")
        _ = try driver.core.submit(
            .createStream(name: name, shards: 1, settings: StreamSettings(limits: .open)), nowMillis: 1000)
        try driver.write()
        let stream = try #require(driver.core.catalog.stream(named: name)?.id)
        let ref = ShardRef(stream: stream, shard: ShardNumber(0))
        let filler = String(repeating: "x", count: 100_000)
        var slow: SegmentPreparation?
        var count = 0
        // Four segments' worth; the upkeep plans one ahead, which becomes ready only when another one is in use.
        while driver.orders.count < 4 {
            try driver.put("\(count) \(filler)", to: ref)
            count += 1
            if slow == nil, driver.orders.count == 1 { slow = driver.core.wantsPreparation() }
            if driver.orders.count == 2, let late = slow {
                try driver.perform(late)
                slow = nil
            }
        }
        #expect(driver.orders == driver.orders.sorted())
        driver.fileSystem.release()

        let storage = try Storage.open(
            StorageConfiguration(folder: folder.path), clock: SystemClock(), handler: { _ in })
        let read = try RoundTripTests.readAll(storage, ref)
        #expect(read.count == count)
        #expect(read.enumerated().allSatisfy { $0.element.hasPrefix("\($0.offset) ") })
        storage.shutdown()
    }
}
