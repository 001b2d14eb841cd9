// SPDX-License-Identifier: Apache-2.0
import WeirLog
import WeirModel
import WeirStorage
import WeirTestKit

extension SimNode {
    /// What a broken engine does to the disk: it says success and does nothing.
    func lie(about operation: DiskOperation) -> DiskFault? {
        switch (self.breakage, operation) {
        case (.skipsSync, .sync) where !self.trouble.isRecovering: .ignored
        case (.skipsRewriting, .write(let name, let offset, _))
        where self.trouble.isRecovering && name.hasPrefix("segment-") && offset >= SegmentHeader.bytes:
            .ignored
        case (.skipsRewriting, .sync(let name)) where self.trouble.isRecovering && name.hasPrefix("segment-"): .ignored
        default: nil
        }
    }

    /// A dropped segment gets its next use at once, and the machine stops soon: that shows whether it was too early.
    func recycleEarly() {
        let names = self.core.droppingFiles
        if !names.isEmpty { self.trouble.armed = (self.random.within(1...3), .crash) }
        for name in names {
            try? self.disk.edit(name) { bytes in
                bytes.withUnsafeMutableBytes { raw in
                    guard let header = try? SegmentHeader(reading: UnsafeRawBufferPointer(raw)) else { return }
                    let next = SegmentHeader(
                        logID: header.logID, file: header.file, useCount: header.useCount + 1, order: header.order,
                        size: header.size, term: header.term, cut: header.cut)
                    next.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[0..<LogFormat.block]))
                    next.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[LogFormat.block..<2 * LogFormat.block]))
                }
            }
        }
    }

    /// Each horizon rises to where the wall clock hides.
    func storeWhatIsHidden() {
        for stream in self.core.catalog.streams(after: nil, limit: .max) {
            let hidden = self.now - stream.settings.retentionMillis
            _ = try? self.core.submit(.raiseHorizon(stream.id, toMillis: hidden), nowMillis: self.now)
        }
    }

    /// Down to the segment that fills the cap, and with it.
    func capTooMuch() {
        for stream in self.core.catalog.streams(after: nil, limit: .max) {
            var left = stream.settings.maxBytes ?? .max
            let beyond = self.core.fullSegments.last { segment in
                left -= segment.shares[stream.id]?.bytes ?? 0
                return left < 0
            }
            guard let beyond else { continue }
            _ = try? self.core.submit(.capStream(stream.id, upTo: beyond.last.rawValue), nowMillis: self.now)
        }
    }

    /// Shown once, it leaves a trusted time behind that never holds anything back.
    var farFuture: LogTime.Moment { .init(wallMillis: self.now, nanos: .max / 2, isSynchronized: false) }

    /// What a start is configured with.
    var configuration: StorageConfiguration {
        var configuration = self.plan.configuration
        configuration.trustsClock = self.breakage == .believesAtEveryStart
        return configuration
    }

    /// Changes what recovery finds, so that it takes what it should not.
    func breakBeforeRecovery() {
        switch self.breakage {
        case .ignoresCuts: self.restampTerms()
        case .goesOnBehindHoles: self.closeHoles()
        default: break
        }
    }

    /// Segments with their headers, in the order of replay.
    private func segments() -> [(name: String, header: SegmentHeader, bytes: [UInt8])] {
        self.disk.image.compactMap { name, bytes in
            guard name.hasPrefix("segment-"), bytes.count > SegmentHeader.bytes else { return nil }
            let header = bytes.withUnsafeBytes { raw in
                [0, LogFormat.block].compactMap { try? SegmentHeader(reading: raw.slice($0, LogFormat.block)) }
                    .max { $0.useCount < $1.useCount }
            }
            return header.map { (name, $0, bytes) }
        }.sorted { $0.header.order < $1.header.order }
    }

    /// All commits are of the newest term, so that no cut makes any of them void. Chains keep their checksums by force.
    private func restampTerms() {
        let segments = self.segments()
        guard let newest = segments.map(\.header.term).max() else { return }
        for segment in segments where segment.header.term < newest {
            var bytes = segment.bytes
            bytes.withUnsafeMutableBytes { raw in
                let header = SegmentHeader(
                    logID: segment.header.logID, file: segment.header.file, useCount: segment.header.useCount,
                    order: segment.header.order, size: segment.header.size, term: newest, cut: segment.header.cut)
                header.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[0..<LogFormat.block]))
                header.write(to: UnsafeMutableRawBufferPointer(rebasing: raw[LogFormat.block..<2 * LogFormat.block]))
            }
            let changed = bytes
            try? self.disk.edit(segment.name) { $0 = changed }
        }
    }

    /// Whole commits behind the first hole move into it and are chained to what stands before.
    private func closeHoles() {
        var last: CommitPoint?
        var broken = false
        for segment in self.segments() {
            var bytes = segment.bytes
            var target = SegmentHeader.bytes
            var source = SegmentHeader.bytes
            bytes.withUnsafeMutableBytes { raw in
                while source + LogFormat.block <= raw.count {
                    let here = UnsafeRawBufferPointer(rebasing: raw[source...])
                    guard var header = try? CommitHeader(reading: here), header.useCount == segment.header.useCount,
                        header.checksumMatches(here)
                    else {
                        source += LogFormat.block
                        continue
                    }
                    let length = header.paddedLength
                    if let last, header.previous != last { broken = true }
                    if broken || source != target {
                        broken = true
                        raw.baseAddress?.advanced(by: target).copyMemory(from: here.baseAddress!, byteCount: length)
                        header.previous = last ?? header.previous
                        header.checksum = header.seal(
                            UnsafeMutableRawBufferPointer(rebasing: raw[target..<target + length]))
                    }
                    last = header.point
                    source += length
                    target += length
                }
            }
            let changed = bytes
            if broken { try? self.disk.edit(segment.name) { $0 = changed } }
        }
    }
}
