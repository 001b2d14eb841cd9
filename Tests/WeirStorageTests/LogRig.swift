// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// A log on a simulated disk, driven by hand on one thread: what writers and upkeep do, when a test says so.
final class LogRig: LogHolder {
    let disk: SimFileSystem
    var fileSystem: any FileSystem { self.disk }
    let clock: ManualClock
    var configuration: StorageConfiguration
    private(set) var core: LogCore
    private(set) var report: RecoveryReport
    private let pool: BufferPool
    private var chain: CommitPoint
    private var chainTerm: UInt64

    private static let sharedPool = BufferPool(keep: 4)

    /// Small, so that everything happens soon.
    static var small: StorageConfiguration {
        var configuration = StorageConfiguration(folder: "(simulated)")
        configuration.segmentBytesMin = 64 << 10
        configuration.segmentBytesMax = 64 << 10
        configuration.tailBytes = 0
        configuration.logBytesMax = 64 << 20
        configuration.freeBytesFloor = 256 << 10
        return configuration
    }

    init(
        _ disk: SimFileSystem = SimFileSystem(), clock: ManualClock = ManualClock(),
        configuration: StorageConfiguration = LogRig.small, logID: UInt64 = 77
    ) throws {
        self.disk = disk
        self.clock = clock
        self.configuration = configuration
        let bounds = configuration.commitBounds
        self.pool = bounds == .standard ? Self.sharedPool : BufferPool(keep: 4, bufferBytes: bounds.bufferBytes)
        (self.core, self.report) = try Recovery.run(
            disk, configuration, clock: clock, pool: self.pool, start: .process(newLogID: logID))
        (self.chain, self.chainTerm) = (self.core.cut, self.core.term)
    }

    func withCore<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R { try body(self.core) }

    var now: Int64 { self.clock.wallMillis }

    // MARK: Starts

    /// Another process, after the last one was killed or the power was cut.
    func restart(powerCut: Bool = true) throws {
        self.disk.restart(powerCut: powerCut)
        try self.begin(.process(newLogID: 1))
    }

    /// What the node does after a failed write.
    func recoverInProcess() throws {
        self.core.failed()
        try self.begin(.continuing(self.core.continuation))
    }

    private func begin(_ start: Recovery.Start) throws {
        (self.core, self.report) = try Recovery.run(
            self.disk, self.configuration, clock: self.clock, pool: self.pool, start: start)
        (self.chain, self.chainTerm) = (self.core.cut, self.core.term)
    }

    /// A clean end.
    func stop() throws {
        self.core.beginClosing()
        try self.settle()
        self.core.finishClosing()
        try self.settle()
    }

    // MARK: Writers and upkeep

    /// The job with its commit sealed, behind the one that was sealed before.
    func sealed(_ job: WriteJob) -> WriteJob {
        if self.chainTerm != job.term { (self.chain, self.chainTerm) = (job.cut, job.term) }
        self.chain = job.seal(previous: self.chain)
        return job
    }

    /// Takes the next commit and seals it; makes a segment when it needs one.
    func take() throws -> WriteJob? {
        while let task = self.core.takeTask() {
            switch task {
            case .write(let job):
                return self.sealed(job)
            case .prepare(let preparation):
                let task = UpkeepTask.prepare(preparation)
                self.core.finished(task, task.result(self.disk))
            case .blocked(let error): throw error
            }
        }
        return nil
    }

    /// Everything that waits is written and acknowledged.
    func write() throws {
        while let job = try self.take() {
            try job.perform()
            _ = self.core.written(job, nowNanos: self.clock.monotonicNanos)
        }
    }

    func doUpkeep() throws {
        while let task = self.core.nextUpkeep() {
            let result = task.result(self.disk)
            self.core.finished(task, result)
            if case .failure(let error) = result { throw error }
        }
    }

    /// Writers and upkeep work until nothing is left to do.
    func settle() throws {
        while self.core.hasWork || self.core.upkeep.footers.hasNext || self.core.snapshots.next != nil {
            try self.write()
            try self.doUpkeep()
        }
        try self.doUpkeep()
        if self.core.hasWork { try self.settle() }
    }

    @discardableResult
    func retain() throws -> LogTime.HeldBack? {
        let held = self.core.retain(self.clock.moment, space: try self.disk.space())
        try self.settle()
        return held
    }

    /// The disk itself proves what was acknowledged.
    func closeIdle() throws {
        self.core.closeIdle(nowNanos: self.clock.monotonicNanos + 1_000_000_000, after: 0)
        try self.write()
    }

    // MARK: Clients

    /// A stream of that many shards; its first one.
    @discardableResult
    func create(
        _ name: String = "orders", shards: Int = 1, _ settings: StreamSettings = StreamSettings(limits: .open)
    ) throws -> ShardRef {
        try self.submit(.createStream(name: try StreamName(name), shards: shards, settings: settings))
        guard let stream = self.core.catalog.stream(named: try StreamName(name)) else { throw Missing() }
        return ShardRef(stream: stream.id, shard: ShardNumber(0))
    }

    struct Missing: Error {}

    /// A command that is durable when it returns.
    func submit(_ command: CatalogCommand) throws {
        _ = try self.core.submit(command, nowMillis: self.now)
        try self.write()
    }

    @discardableResult
    func append(_ texts: [String], to ref: ShardRef, staged: Bool = false) throws -> Appended {
        guard let shard = self.core.shard(ref) else { throw Missing() }
        return try self.append(texts, to: shard, staged: staged)
    }

    @discardableResult
    func append(_ texts: [String], to shard: ShardState, staged: Bool = false) throws(WeirError) -> Appended {
        var builder = BatchBodyBuilder()
        for var text in texts {
            text.withUTF8 {
                builder.append(
                    key: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[0..<1]),
                    data: UnsafeRawBufferPointer($0))
            }
        }
        let body = builder.finish()
        let memory = AlignedMemory(bytes: body.count)
        body.withUnsafeBytes { memory.raw.copyMemory(from: $0) }
        let raw = UnsafeRawBufferPointer(memory.raw)
        guard staged else { return try self.core.append(shard, body: raw, count: texts.count, nowMillis: self.now) }
        return try self.core.appendRecords(
            shard, records: raw.slice(BatchBody.headerBytes, raw.count - BatchBody.headerBytes), count: texts.count,
            nowMillis: self.now)
    }

    /// A put of which the server routes each record: texts with the position of their shard among the open ones.
    @discardableResult
    func appendRouted(_ texts: [(text: String, shard: Int)], to stream: StreamID) throws -> LSN {
        guard let state = self.core.catalog.stream(stream) else { throw Missing() }
        var builder = BatchBodyBuilder()
        var lengths: [Int] = []
        for (text, _) in texts {
            let before = builder.recordsLength
            let bytes = Array(text.utf8)
            bytes.withUnsafeBytes { builder.append(key: UnsafeRawBufferPointer(rebasing: $0[0..<1]), data: $0) }
            lengths.append(builder.recordsLength - before)
        }
        return try builder.finish().withUnsafeBytes { raw in
            var position = BatchBody.headerBytes
            var records: [RoutedRecord] = []
            for ((_, shard), length) in zip(texts, lengths) {
                records.append(
                    RoutedRecord(
                        bytes: raw.baseAddress! + position, length: UInt32(length), payload: UInt32(length), hash: 0,
                        shard: Int32(shard)))
                position += length
            }
            return try self.core.appendRouted(
                records, count: records.count, bytes: position - BatchBody.headerBytes,
                to: self.core.openShards(of: state), outcome: RoutedOutcome(), nowMillis: self.now)
        }
    }

    /// Appends and writes: acknowledged when it returns.
    @discardableResult
    func put(_ texts: [String], to ref: ShardRef) throws -> Appended {
        let appended = try self.append(texts, to: ref)
        try self.write()
        return appended
    }

    /// Fills segments with records of 4 KiB until that many more have been begun.
    @discardableResult
    func fill(segments: Int, to ref: ShardRef, _ prefix: String = "filler") throws -> [String] {
        var texts: [String] = []
        let target = self.core.files.nextOrder + UInt64(segments)
        while self.core.files.nextOrder < target {
            let text = "\(prefix)-\(texts.count) " + String(repeating: "x", count: 3000)
            try self.put([text], to: ref)
            try self.doUpkeep()
            try self.write()
            texts.append(text)
        }
        try self.settle()
        return texts
    }

    struct Reading: Equatable {
        /// Texts by index.
        var texts: [UInt64: String] = [:]
        var missed: UInt64 = 0
        var end: UInt64 = 0
        /// The first read that was refused ends it.
        var error: WeirError?

        var inOrder: [String] { self.texts.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// Reads a shard from its beginning to its end.
    func read(_ ref: ShardRef, from start: UInt64 = 0, maxBytes: Int = 1 << 20) -> Reading {
        var reading = Reading()
        var index = start
        while true {
            let request = ReadRequest(
                shard: ref, fromIndex: index, maxRecords: 10_000, maxBytes: maxBytes, nowMillis: self.now)
            switch self.readNow(request) {
            case .failure(let error):
                reading.error = error
                return reading
            case .success(let result):
                reading.missed += result.missed
                reading.end = result.nextIndex
                for chunk in result.chunks { chunk.withBytes { Self.collect($0, result, &reading) } }
                if result.recordCount == 0, result.nextIndex >= result.durableEnd { return reading }
                precondition(result.nextIndex > index || result.recordCount > 0, "a reader stands still")
                index = result.nextIndex
            }
        }
    }

    private static func collect(_ raw: UnsafeRawBufferPointer, _ result: ReadResult, _ reading: inout Reading) {
        var offset = 0
        while offset < raw.count, let placement = try? Placement(reading: raw.slice(offset, Placement.bytes)) {
            let body = raw.slice(offset + Placement.bytes, placement.bodyLength)
            var cursor = RecordCursor(
                records: body.slice(BatchBody.headerBytes, placement.bodyLength - BatchBody.headerBytes))
            var index = placement.firstIndex
            while let record = try? cursor.next() {
                if index >= result.firstIndex, index < result.nextIndex {
                    reading.texts[index] = String(decoding: record.data, as: UTF8.self)
                }
                index += 1
            }
            offset += placement.totalLength
        }
    }

    // MARK: The disk

    /// Segment files by the order in which they are replayed.
    var segmentFiles: [(name: String, header: SegmentHeader)] {
        self.disk.image.compactMap { name, bytes in
            guard name.hasPrefix("segment-"), bytes.count >= SegmentHeader.bytes else { return nil }
            let header = bytes.withUnsafeBytes { raw in
                [0, LogFormat.block].compactMap { try? SegmentHeader(reading: raw.slice($0, LogFormat.block)) }
                    .max { $0.useCount < $1.useCount }
            }
            return header.map { (name, $0) }
        }.sorted { $0.header.order < $1.header.order }
    }

    /// Where the commits of a segment file lie, from its start on.
    func commits(of name: String) -> [(offset: Int, header: CommitHeader)] {
        guard let bytes = self.disk.image[name],
            let use = self.segmentFiles.first(where: { $0.name == name })?.header.useCount
        else { return [] }
        return bytes.withUnsafeBytes { raw in
            var found: [(Int, CommitHeader)] = []
            var offset = SegmentHeader.bytes
            while offset + LogFormat.block <= raw.count {
                let here = UnsafeRawBufferPointer(rebasing: raw[offset...])
                guard let header = try? CommitHeader(reading: here), header.useCount == use,
                    header.checksumMatches(here)
                else { break }
                found.append((offset, header))
                offset += header.paddedLength
            }
            return found
        }
    }

    var snapshotFiles: [String] { self.disk.image.keys.filter { $0.hasPrefix("snapshot-") }.sorted() }
}

extension LogCore {
    /// Files that the start has not read and the scrub will.
    var scrubbedLater: [String] {
        self.upkeep.scrub.due.compactMap { self.segment(order: $0).map { Segment.fileName($0.header.file) } }
    }
}

/// A copy of a rig's folder, to be changed and opened by itself.
extension SimFileSystem {
    func copy(changing change: (inout [String: [UInt8]]) -> Void = { _ in }) -> SimFileSystem {
        var image = self.image
        change(&image)
        return SimFileSystem(image: image)
    }
}
