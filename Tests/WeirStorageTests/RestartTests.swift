// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// A node that is started again and again.
@Suite struct RestartTests {
    private enum End: CaseIterable {
        case clean, killed, powerCut
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func aHundredStartsLoseNothingAndRepeatNothing(_ seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rig = try LogRig(SimFileSystem(seed: seed, direct: seed == 2))
        let ref = try rig.create()
        var acknowledged: [String] = []
        var term = rig.core.term
        var lsn = rig.core.durableLSN
        for start in 0..<100 {
            for number in 0..<random.below(4) {
                let text = "start \(start) record \(number)"
                try rig.put([text], to: ref)
                acknowledged.append(text)
            }
            lsn = rig.core.durableLSN
            switch End.allCases[random.below(3)] {
            case .clean:
                try rig.stop()
                try rig.restart(powerCut: false)
                #expect(rig.report.commitsReplayed <= 3)
            case .killed: try rig.restart(powerCut: false)
            case .powerCut: try rig.restart(powerCut: true)
            }
            #expect(rig.report.damaged.isEmpty)
            #expect(rig.core.term > term)
            #expect(rig.core.durableLSN >= lsn)
            term = rig.core.term
            #expect(rig.read(ref).inOrder == acknowledged, "seed \(seed), start \(start)")
            try rig.doUpkeep()
        }
        #expect(acknowledged.count > 50)
        // Each start begins a segment; what was left half full was cut to what it holds.
        #expect(rig.core.logBytes < 100 * 64 << 10)
    }

    /// Segments and shards name each other, and a segment holds its file open.
    @Test func aStartThatFailsKeepsNoFileOpen() throws {
        var failures = 0
        for number in 1..<200 {
            weak var left: SimFileSystem?
            var played = false
            do {
                let disk = SimFileSystem()
                left = disk
                let rig = try LogRig(disk)
                let ref = try rig.create()
                try rig.put(["one"], to: ref)
                // Its shard is in the segment and no longer in the catalog.
                let deleted = try rig.create("deleted")
                try rig.put(["two"], to: deleted)
                try rig.submit(.deleteStream(deleted.stream))
                disk.restart(powerCut: true)
                let operations = disk.operations + number
                disk.decideFaults { [unowned disk] _ in disk.operations + 1 == operations ? .failed : nil }
                do {
                    _ = try LogRig(disk)
                } catch is StorageError {
                    failures += 1
                }
                played = disk.operations >= operations
            }
            #expect(left == nil, "failure of operation \(number)")
            if !played { break }
        }
        // Many are survived: a block that cannot be read is no commit.
        #expect((5..<190).contains(failures))
    }

    @Test func aStartWithNothingToDoLeavesNothingBehind() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        try rig.put(["one"], to: ref)
        try rig.stop()
        for _ in 0..<10 {
            try rig.restart(powerCut: false)
            try rig.settle()
            try rig.retain()
            try rig.stop()
        }
        let files = rig.disk.image.count
        for _ in 0..<90 {
            try rig.restart(powerCut: false)
            try rig.settle()
            try rig.retain()
            try rig.stop()
        }
        #expect(rig.disk.image.count <= files + 2)
        #expect(rig.read(ref).inOrder == ["one"])
    }
}
