// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What the log may take on the disk, in whatever order segments are planned, made and used.
@Suite struct LogBudgetTests {
    /// Two writers and the upkeep, each of which may take its time with what it has begun.
    @Test(arguments: 0..<60) func theLogNeverTakesMoreThanItMay(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var configuration = LogRig.small
        configuration.segmentBytesMax = random.pick([64 << 10, 256 << 10])
        configuration.logBytesMax = random.pick([512 << 10, 1 << 20, (1 << 20) + 4096])
        configuration.pendingBytesMax = 512 << 10
        let rig = try LogRig(configuration: configuration)
        let most = try #require(configuration.logBytesMax)
        let ref = try rig.create(
            "orders", StreamSettings(maxBytes: random.chance(1, of: 2) ? 1 << 20 : nil, limits: .open))
        var making: [UpkeepTask] = []
        var upkeep: UpkeepTask?
        var jobs: [WriteJob] = []
        var refused = 0
        for step in 0..<600 {
            switch random.below(10) {
            case 0...3:
                // Around the size of a segment and of a block.
                let bytes = random.pick([1, 4000, 4096, 20_000, 65_000, 66_000, 130_000])
                do {
                    try rig.append([String(repeating: "x", count: bytes)], to: ref)
                } catch let error as WeirError {
                    #expect(error.code == .storageFull || error.code == .unavailable, "seed \(seed): \(error)")
                    refused += 1
                }
            case 4...5:
                // Whoever makes a segment holds up the other writer.
                guard making.isEmpty, jobs.count < 2, let task = rig.core.takeTask() else { break }
                switch task {
                case .write(let job):
                    jobs.append(rig.sealed(job))
                case .prepare(let preparation): making.append(.prepare(preparation))
                case .blocked: rig.core.unblock()
                }
            case 6:
                guard !jobs.isEmpty else { break }
                let job = jobs.removeFirst()
                try job.perform()
                _ = rig.core.written(job, nowNanos: rig.clock.monotonicNanos)
            case 7:
                guard !making.isEmpty else { break }
                let task = making.removeFirst()
                rig.core.finished(task, task.result(rig.disk))
            case 8:
                if let task = upkeep {
                    rig.core.finished(task, task.result(rig.disk))
                    upkeep = nil
                } else {
                    upkeep = rig.core.nextUpkeep(nowNanos: rig.clock.monotonicNanos)
                }
            default:
                rig.clock.advance(millis: 300)
                rig.core.retain(rig.clock.moment, space: try rig.disk.space())
            }
            try #require(rig.core.logBytes <= most, "seed \(seed), step \(step)")
            let files = rig.disk.image.filter { $0.key.hasPrefix("segment-") }.reduce(0) { $0 + $1.value.count }
            try #require(Int64(files) <= most, "seed \(seed), step \(step): on the disk")
        }
        #expect(refused < 600)
    }

    /// Dropping waits for two snapshots, and in a full log no roll asks for them.
    @Test(arguments: [0, 1, 3]) func aFullLogGivesBackWhatIsDeletedWithinSeconds(failures: Int) throws {
        var configuration = LogRig.small
        configuration.logBytesMax = 1 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("orders")
        let other = try rig.create("other")
        let filler = String(repeating: "x", count: 8000)
        // No snapshot can be written while the log fills up.
        rig.disk.decideFaults { operation in
            if case .create(let name) = operation, name.hasPrefix("snapshot-") { return .failed }
            return nil
        }
        func step() throws {
            rig.clock.advance(millis: 1000)
            rig.core.retain(rig.clock.moment, space: try rig.disk.space())
            for _ in 0..<20 {
                while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
                try rig.write()
            }
        }
        var isFull = false
        for _ in 0..<400 where !isFull {
            do { try rig.put([filler], to: ref) } catch let error as WeirError {
                isFull = error.code == .storageFull
            }
            while let task = rig.core.nextUpkeep() { rig.core.finished(task, task.result(rig.disk)) }
        }
        try #require(isFull)
        for _ in 0..<failures { try step() }
        rig.disk.decideFaults(nil)
        try rig.submit(.deleteStream(ref.stream))
        var seconds = 0
        while true {
            do {
                try rig.put([filler], to: other)
                break
            } catch is WeirError {
                try step()
                seconds += 1
                try #require(seconds < 2 * SnapshotSchedule.waitMax)
            }
        }
        // As long as it took, and a few looks.
        #expect(seconds <= 20)
    }

    /// Somebody else's file has filled the disk: the node starts, is read, and gives space back when a stream goes.
    @Test(arguments: [0, 1, 4096, 40_000, 70_000, 140_000]) func aNodeStartsOnAFullDisk(free: Int) throws {
        let rig = try LogRig()
        let ref = try rig.create("orders")
        let kept = try rig.create("kept")
        let texts = try rig.fill(segments: 6, to: ref)
        try rig.put(["kept"], to: kept)
        rig.disk.capacity = rig.disk.usedBytes + free
        try rig.restart()
        #expect(rig.read(ref).texts.count == texts.count)
        #expect(rig.read(kept).texts == [0: "kept"])
        #expect(throws: WeirError.self) { try rig.put([String(repeating: "x", count: 60_000)], to: kept) }
        try rig.submit(.deleteStream(ref.stream))
        for _ in 0..<20 {
            rig.clock.advance(millis: 1000)
            _ = try? rig.retain()
            try rig.closeIdle()
        }
        // The other process has gone on writing meanwhile: the log has what it has.
        try rig.put(["later"], to: kept)
        #expect(rig.read(kept).texts == [0: "kept", 1: "later"])
        try rig.restart()
        #expect(rig.read(kept).texts == [0: "kept", 1: "later"])
    }
}
