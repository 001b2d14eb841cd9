// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Segments of which both header copies are damaged: their commits say nearly all that the headers said.
@Suite struct DamagedHeaderTests {
    /// Some terms, each with a segment or more, and the last one unfinished.
    private func written(terms: Int, segments: Int, snapshots: Bool) throws -> (rig: LogRig, ref: ShardRef) {
        let rig = try LogRig()
        let ref = try rig.create()
        for term in 0..<terms {
            if term > 0 { try rig.restart() }
            if segments > 0 { try rig.fill(segments: segments, to: ref, "term \(term)") }
            try rig.put(["small \(term)"], to: ref)
            try rig.closeIdle()
        }
        if !snapshots { for name in rig.snapshotFiles { try rig.disk.remove(name) } }
        return (rig, ref)
    }

    private func spoil(_ image: inout [String: [UInt8]], _ name: String) {
        image[name]?[50] ^= 1
        image[name]?[LogFormat.block + 50] ^= 1
    }

    @Test(arguments: [1, 2, 5], [0, 3])
    func `Headers that are damaged in both copies are written again from the commits`(terms: Int, segments: Int) throws
    {
        for snapshots in segments > 0 ? [true] : [true, false] {
            let (rig, ref) = try self.written(terms: terms, segments: segments, snapshots: snapshots)
            let whole = rig.read(ref)
            let streams = rig.core.catalog.streamCount
            let names = rig.segmentFiles.map(\.name).filter { !rig.commits(of: $0).isEmpty }
            let cases = names.map { [$0] } + [names, Array(names.suffix(2)), Array(names.prefix(2))]
            for damaged in cases {
                let disk = rig.disk.copy { image in for name in damaged { self.spoil(&image, name) } }
                let again = try LogRig(disk)
                #expect(again.report.damaged.isEmpty, "\(damaged)")
                #expect(again.core.catalog.streamCount == streams)
                #expect(again.read(ref) == whole, "\(damaged) of \(names)")
                for name in Set(damaged) {
                    #expect(
                        again.report.lines.contains(
                            "both headers of \(name) were damaged; they were written again from its commits"))
                }
                try again.put(["later"], to: ref)
                try again.restart()
                #expect(!again.report.lines.contains { $0.contains("headers") })
                #expect(again.read(ref).inOrder == whole.inOrder + ["later"])
            }
        }
    }

    /// Drawn: segments of a log with dropped and recycled files, of several terms, in any combination.
    @Test func `Whatever headers are damaged, nothing wrong is read, and what is missing is told`() throws {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        let (rig, ref) = try self.written(terms: 4, segments: 3, snapshots: true)
        let whole = rig.read(ref)
        let names = rig.segmentFiles.map(\.name)
        for _ in 0..<60 {
            let damaged = names.filter { _ in Bool.random(using: &random) }
            let alsoFirst = names.filter { _ in Int.random(in: 0..<6, using: &random) == 0 }
            let disk = rig.disk.copy { image in
                for name in damaged { self.spoil(&image, name) }
                for name in alsoFirst { image[name]?[SegmentHeader.bytes + 30] ^= 1 }
            }
            let again: LogRig
            do { again = try LogRig(disk) } catch let error as StorageError {
                #expect(error.message.contains("nothing was touched"), "seed \(seed)")
                continue
            }
            let reading = again.read(ref)
            #expect(reading.error == nil, "seed \(seed)")
            for (index, text) in reading.texts { #expect(whole.texts[index] == text, "seed \(seed)") }
            #expect(
                reading.texts.count + Int(reading.missed) >= whole.texts.count || !again.report.damaged.isEmpty,
                "seed \(seed)")
        }
    }

    /// The disk gives nothing, or zeros, for the beginning of a file that is in use.
    @Test(arguments: [true, false], [LogFormat.block, SegmentHeader.bytes, SegmentHeader.bytes + LogFormat.block])
    func `A segment in use whose beginning is gone is reported and never written over`(isZeros: Bool, bytes: Int) throws
    {
        let (rig, ref) = try self.written(terms: 2, segments: 2, snapshots: true)
        let whole = rig.read(ref)
        for name in rig.segmentFiles.map(\.name) where rig.commits(of: name).count > 1 {
            let disk = rig.disk.copy { image in
                guard isZeros else { return }
                for offset in 0..<bytes { image[name]?[offset] = 0 }
            }
            if !isZeros {
                disk.decideFaults { operation in
                    guard case .read(name, let offset, _) = operation, offset < bytes else { return nil }
                    return .failed
                }
            }
            let before = try #require(disk.image[name])
            let again: LogRig
            do { again = try LogRig(disk) } catch let error as StorageError {
                // It held what nobody can do without.
                #expect(error.message.contains("nothing was touched"))
                #expect(disk.image[name] == before, "\(name)")
                continue
            }
            disk.decideFaults(nil)
            let lines = again.report.lines.filter { $0.contains(name) }
            if bytes < SegmentHeader.bytes || lines.contains(where: { $0.contains("written again from its commits") }) {
                #expect(again.read(ref) == whole, "\(name)")
                continue
            }
            #expect(lines.contains { $0.contains("the segment is left alone") }, "\(name): \(lines)")
            try again.fill(segments: 4, to: ref, "later")
            #expect(disk.image[name] == before, "\(name)")
        }
    }

    @Test(arguments: [DiskFault.failed, .noSpace])
    func `A header that the disk does not take again keeps no node from its start`(fault: DiskFault) throws {
        let (rig, ref) = try self.written(terms: 2, segments: 2, snapshots: true)
        let whole = rig.read(ref)
        for name in rig.segmentFiles.map(\.name) where !rig.commits(of: name).isEmpty {
            let disk = rig.disk.copy { self.spoil(&$0, name) }
            disk.decideFaults { operation in
                guard case .write(name, let offset, _) = operation, offset < SegmentHeader.bytes else { return nil }
                return fault
            }
            let again = try LogRig(disk)
            #expect(again.report.lines.contains { $0.hasPrefix("both headers of \(name) are damaged; they are known") })
            #expect(again.read(ref) == whole, "\(name)")
            disk.decideFaults(nil)
            try again.put(["later"], to: ref)
            try again.restart()
            // A write that fails may have arrived.
            let isRebuilt = again.report.lines.contains { $0.hasPrefix("both headers of \(name) were damaged") }
            #expect(isRebuilt || fault == .failed)
            #expect(again.read(ref).inOrder == whole.inOrder + ["later"])
        }
    }

    @Test func `A log without one header that can be told is not begun anew`() throws {
        let (rig, _) = try self.written(terms: 1, segments: 0, snapshots: false)
        let name = try #require(rig.segmentFiles.first { !rig.commits(of: $0.name).isEmpty }?.name)
        let disk = rig.disk.copy { image in
            self.spoil(&image, name)
            image[name]?[SegmentHeader.bytes + 30] ^= 1
            for other in image.keys where other.hasPrefix("segment-") && other != name { image[other] = nil }
        }
        let before = disk.image
        let error = #expect(throws: StorageError.self) { try LogRig(disk) }
        #expect(error?.message.contains("no header of any log segment is whole; nothing was touched") == true)
        #expect(disk.image == before)
    }

    @Test func `What an older term lost stays lost when the header that says so is damaged`() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        for text in ["a", "b", "c"] { try rig.put([text], to: ref) }
        let name = try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        // Torn in the eyes of the next start, and whole again afterwards, as after a read that gave other bytes.
        let torn = try #require(rig.commits(of: name).last)
        let second = try LogRig(rig.disk.copy { $0[name]?[torn.offset + 200] ^= 1 })
        try #require(second.report.damaged.isEmpty)
        try second.put(["d"], to: ref)
        try second.closeIdle()
        let whole = second.read(ref)
        #expect(whole.inOrder == ["a", "b", "d"])
        let newest = try #require(second.segmentFiles.last { !second.commits(of: $0.name).isEmpty }?.name)
        try #require(newest != name)
        let disk = second.disk.copy { image in
            image[name]?[torn.offset + 200] ^= 1
            self.spoil(&image, newest)
        }
        #expect(try LogRig(disk).read(ref) == whole)
    }
}
