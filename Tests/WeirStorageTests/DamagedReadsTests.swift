// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// Damage never stands in a reader's way: what is whole is read, the rest is counted once, wherever it lies.
@Suite struct DamagedReadsTests {
    /// Two shards whose records lie mixed in full segments that a start does not read.
    private struct Written {
        let rig: LogRig
        let refs: [ShardRef]
        var texts: [[String]] = [[], []]

        init() throws {
            self.rig = try LogRig()
            let first = try self.rig.create(shards: 2)
            self.refs = [first, ShardRef(stream: first.stream, shard: ShardNumber(1))]
            for number in 0..<60 {
                for (position, ref) in self.refs.enumerated() {
                    let texts = (0..<(number % 3 + 1)).map {
                        "\(position)-\(number)-\($0) " + String(repeating: "x", count: 1000)
                    }
                    try self.rig.put(texts, to: ref)
                    self.texts[position] += texts
                }
                try self.rig.doUpkeep()
            }
            try self.rig.settle()
            try self.rig.stop()
        }

        /// The batches of a shard: where they lie and which records they hold.
        func batches(of ref: ShardRef) -> [(file: String, bytes: Range<Int>, indexes: Range<UInt64>)] {
            self.rig.segmentFiles.flatMap { segment in
                let image = self.rig.disk.image[segment.name] ?? []
                return self.rig.commits(of: segment.name).flatMap { commit in
                    image.withUnsafeBytes { raw in
                        var found: [(String, Range<Int>, Range<UInt64>)] = []
                        let bytes = raw.slice(commit.offset, commit.header.paddedLength)
                        _ = CommitContents.forEachBatch(commit.header, bytes) { placement, position in
                            guard placement.shard == ref.shard else { return }
                            let start = commit.offset + position
                            found.append(
                                (
                                    segment.name, start..<start + placement.totalLength,
                                    placement.firstIndex..<placement.endIndex
                                ))
                        }
                        return found
                    }
                }
            }
        }
    }

    @Test func whateverIsDamagedTheRestIsReadAndTheLossIsCounted() throws {
        let written = try Written()
        let places = written.refs.map { written.batches(of: $0) }
        try #require(places.allSatisfy { $0.count == 60 })
        // A start reads the newest segments itself, and finds what is damaged there.
        let whole = try LogRig(written.rig.disk.copy())
        let old = Set(whole.core.scrubbedLater)
        let last = try #require(places[0].lastIndex { old.contains($0.file) })
        try #require(last > 20)
        for seed in UInt64(0)..<60 {
            var random = SplitMix64(seed: seed)
            // Few and many, and always the first or the last of a shard in some rounds.
            let share = [2, 5, 30, 120][Int(seed % 4)]
            var hit = places.map { batches in
                batches.indices.filter { old.contains(batches[$0].file) && random.chance(share, of: 120) }
            }
            if seed % 3 == 0 { hit[0] = Array(Set(hit[0] + [0])).sorted() }
            if seed % 3 == 1 { hit[0] = Array(Set(hit[0] + [last])).sorted() }
            let disk = written.rig.disk.copy { image in
                for (shard, numbers) in hit.enumerated() {
                    for number in numbers {
                        let batch = places[shard][number]
                        image[batch.file]?[batch.bytes.lowerBound + random.below(batch.bytes.count)] ^= 4
                    }
                }
            }
            let rig = try LogRig(disk)
            #expect(rig.report.damaged.isEmpty, "the start reads none of it, seed \(seed)")
            let before = disk.image
            for (shard, ref) in written.refs.enumerated() {
                let gone = Set(hit[shard].flatMap { places[shard][$0].indexes })
                let kept = written.texts[shard].enumerated().filter { !gone.contains(UInt64($0.offset)) }
                for maxBytes in [1, 3000, 9000, 1 << 20] {
                    let begin = rig.resolveNow(.trimHorizon, in: ref, nowMillis: rig.now)
                    #expect(begin == .success(0), "seed \(seed)")
                    let reading = rig.read(ref, maxBytes: maxBytes)
                    #expect(reading.error == nil, "seed \(seed)")
                    #expect(reading.inOrder == kept.map(\.element), "seed \(seed), \(maxBytes) bytes")
                    #expect(reading.missed == UInt64(gone.count), "seed \(seed), \(maxBytes) bytes")
                    #expect(reading.end == UInt64(written.texts[shard].count))
                }
            }
            let bytes = rig.core.foundDamage.reduce(0) { $0 + $1.length }
            let damaged = hit.enumerated().flatMap { shard, numbers in numbers.map { places[shard][$0].bytes.count } }
            #expect(bytes == damaged.reduce(0, +), "each place counts once, seed \(seed)")
            #expect(disk.image == before)
        }
    }

    @Test func aReadFromWithinADamagedBatchCountsOnlyWhatItAskedFor() throws {
        let written = try Written()
        let batch = try #require(written.batches(of: written.refs[0]).first { $0.indexes.count == 3 })
        let rig = try LogRig(written.rig.disk.copy { $0[batch.file]?[batch.bytes.lowerBound + 100] ^= 1 })
        let reading = rig.read(written.refs[0], from: batch.indexes.lowerBound + 1)
        #expect(reading.missed == 2)
        #expect(reading.inOrder == Array(written.texts[0][Int(batch.indexes.upperBound)...]))
    }

    @Test func aFooterThatGoesBadAfterTheStartIsReplacedByTheCommits() throws {
        let written = try Written()
        let places = written.batches(of: written.refs[1])
        let old = try LogRig(written.rig.disk.copy()).core.scrubbedLater
        try #require(!old.isEmpty)
        for name in old {
            let rig = try LogRig(written.rig.disk.copy())
            for segment in rig.core.segments where segment.footerWritten { segment.index = nil }
            let size = try #require(rig.disk.image[name]?.count)
            try rig.disk.edit(name) { $0[size - LogFormat.block + 20] ^= 1 }
            let batch = try #require(places.first { $0.file == name })
            try rig.disk.edit(name) { $0[batch.bytes.lowerBound + 90] ^= 1 }
            let lost = batch.indexes
            let reading = rig.read(written.refs[1])
            #expect(reading.error == nil)
            #expect(reading.missed == UInt64(lost.count))
            #expect(reading.inOrder.count + lost.count == written.texts[1].count)
            #expect(rig.read(written.refs[0]).inOrder == written.texts[0])
        }
    }

    @Test func aDiskThatDoesNotGiveASegmentIsDamageAndOneThatOpensNoFileIsNot() throws {
        let written = try Written()
        let ref = written.refs[0]
        let name = try #require(written.batches(of: ref).first?.file)
        let there = UInt64(written.batches(of: ref).filter { $0.file == name }.reduce(0) { $0 + $1.indexes.count })
        let rig = try LogRig(written.rig.disk.copy())
        rig.disk.decideFaults { $0 == .open(name) ? .failed : nil }
        let refused = rig.read(ref)
        #expect(refused.error?.code == .unavailable, "no descriptors, say: it may pass, and nothing is passed over")
        #expect(refused.missed == 0 && refused.texts.isEmpty)
        rig.disk.decideFaults { operation in
            if case .read(name, _, _) = operation { .failed } else { nil }
        }
        let reading = rig.read(ref)
        #expect(reading.error == nil)
        #expect(reading.missed == there)
        #expect(reading.inOrder == Array(written.texts[0][Int(there)...]))
        rig.disk.decideFaults(nil)
        try rig.disk.remove(name)
        for segment in rig.core.segments { rig.core.reading.files.forget(segment.header.file) }
        #expect(rig.read(ref).missed == there, "the file is gone")
    }

    @Test func whenTheFirstRecordsAreLostAtTheStartTheTrimHorizonTellsIt() throws {
        let rig = try LogRig()
        let ref = try rig.create()
        for number in 0..<6 { try rig.put(["record \(number)"], to: ref) }
        try rig.closeIdle()
        let name = try #require(rig.segmentFiles.last { !rig.commits(of: $0.name).isEmpty }?.name)
        let commits = rig.commits(of: name).filter { $0.header.batchCount > 0 }
        for lost in 1...5 {
            let again = try LogRig(
                rig.disk.copy { for commit in commits.prefix(lost) { $0[name]?[commit.offset + 200] ^= 1 } })
            #expect(!again.report.damaged.isEmpty)
            for type in [ShardIteratorType.trimHorizon, .atTimestamp(0)] {
                #expect(again.resolveNow(type, in: ref, nowMillis: again.now) == .success(0), "\(lost) lost")
            }
            let reading = again.read(ref)
            #expect(reading.missed == UInt64(lost))
            #expect(reading.inOrder == (lost..<6).map { "record \($0)" })
            // It is told as long as the segments of that time are there, and also after the next start.
            try again.restart(powerCut: false)
            #expect(again.read(ref).missed == UInt64(lost))
        }
    }

    @Test func placesThatTouchAreOneAndEachIsNewsOnce() {
        for seed in UInt64(0)..<200 {
            var random = SplitMix64(seed: seed)
            var book = DamagedBytes()
            var known: Set<Int> = []
            for _ in 0..<40 {
                let start = random.below(60)
                let bytes = start..<start + random.below(8)
                let isNews = !bytes.isEmpty && !bytes.allSatisfy { known.contains($0) }
                #expect(book.note(bytes) == isNews, "seed \(seed)")
                known.formUnion(bytes)
                #expect(Set(book.places.flatMap { $0 }) == known, "seed \(seed)")
                for (one, next) in zip(book.places, book.places.dropFirst()) {
                    #expect(one.upperBound < next.lowerBound, "seed \(seed)")
                }
            }
        }
        var full = DamagedBytes()
        for number in 0..<DamagedBytes.placesMax + 5 { _ = full.note(number * 10..<number * 10 + 1) }
        #expect(full.places.count == DamagedBytes.placesMax)
    }
}
