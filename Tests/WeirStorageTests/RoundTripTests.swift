// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

@testable import WeirStorage

@Suite struct RoundTripTests {
    @Test func whatWasAcknowledgedIsReadBackAfterAReopen() throws {
        let folder = try TemporaryFolder()
        var expected: [String] = []
        for round in 0..<5 {
            let box = ProgressBox()
            let storage = try Storage.open(
                StorageConfiguration(folder: folder.path), clock: SystemClock(), handler: box.note)
            let name = try StreamName("orders")
            if round == 0 {
                let submitted = try storage.withLog { log throws(WeirError) in
                    try log.submit(
                        .createStream(name: name, shards: 4, settings: StreamSettings(limits: .open)),
                        nowMillis: SystemClock().wallMillis)
                }
                box.wait(submitted.lsn)
            }
            let stream = try #require(storage.withLog { $0.catalog.stream(named: name)?.id })
            let ref = ShardRef(stream: stream, shard: ShardNumber(UInt32(round % 4)))
            var last = LSN.none
            for number in 0..<1000 {
                let text = "round \(round) record \(number)"
                if round % 4 == 0 { expected.append(text) }
                last = try storage.withLog { log throws(WeirError) in
                    try Self.append(text, to: ref, in: log, staged: number % 3 == 0)
                }
            }
            box.wait(last)
            let read = try Self.readAll(storage, ShardRef(stream: stream, shard: ShardNumber(0)))
            #expect(read == expected)
            storage.shutdown()
        }
    }

    /// Small changes in a row wake the writers once, large ones at once; whoever owes the waking is told so.
    @Test(arguments: [(1, true), (60_000, true), (CommitPipeline.smallBytes, false), (1 << 20, false)])
    func aSmallPutOwesTheWakingOfTheWritersAndALargeOneDoesNot(_ bytes: Int, _ owes: Bool) throws {
        let folder = try TemporaryFolder()
        let box = ProgressBox()
        let storage = try Storage.open(
            StorageConfiguration(folder: folder.path), clock: SystemClock(), handler: box.note)
        let name = try StreamName("orders")
        let submitted = try storage.withLog { log throws(WeirError) in
            try log.submit(
                .createStream(name: name, shards: 1, settings: StreamSettings(limits: .open)),
                nowMillis: SystemClock().wallMillis)
        }
        box.wait(submitted.lsn)
        let stream = try #require(storage.withLog { $0.catalog.stream(named: name)?.id })
        let ref = ShardRef(stream: stream, shard: ShardNumber(0))
        var owed = false
        let lsn = try storage.withLog(owing: &owed) { log throws(WeirError) in
            try Self.append(String(repeating: "x", count: bytes), to: ref, in: log, staged: false)
        }
        #expect(owed == owes)
        if owed { storage.wakeWriter() }
        box.wait(lsn)
        storage.shutdown()
    }

    static func append(_ text: String, to ref: ShardRef, in log: LogCore, staged: Bool) throws(WeirError) -> LSN {
        guard let shard = log.shard(ref) else { throw WeirError(.shardNotFound, "none") }
        var builder = BatchBodyBuilder()
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { data in
            builder.append(key: UnsafeRawBufferPointer(rebasing: data[0..<min(5, data.count)]), data: data)
        }
        let body = builder.finish()
        let memory = AlignedMemory(bytes: body.count)
        body.withUnsafeBytes { memory.raw.copyMemory(from: $0) }
        let raw = UnsafeRawBufferPointer(memory.raw)
        let now = SystemClock().wallMillis
        if staged {
            return try log.appendRecords(
                shard, records: raw.slice(BatchBody.headerBytes, raw.count - BatchBody.headerBytes), count: 1,
                nowMillis: now
            ).lsn
        }
        return try log.append(shard, body: raw, count: 1, nowMillis: now).lsn
    }

    static func readAll(_ storage: Storage, _ ref: ShardRef) throws -> [String] {
        var texts: [String] = []
        var index: UInt64 = 0
        while true {
            let result = try storage.readNow(
                ReadRequest(
                    shard: ref, fromIndex: index, maxRecords: 10_000, maxBytes: 100_000,
                    nowMillis: SystemClock().wallMillis)
            ).get()
            if result.recordCount == 0 { return texts }
            index = result.nextIndex
            for chunk in result.chunks {
                try chunk.withBytes { raw in
                    var offset = 0
                    while offset < raw.count {
                        let placement = try Placement(reading: raw.slice(offset, Placement.bytes))
                        var cursor = RecordCursor(
                            records: raw.slice(
                                offset + Placement.bytes + BatchBody.headerBytes,
                                placement.bodyLength - BatchBody.headerBytes))
                        while let record = try cursor.next() {
                            texts.append(String(decoding: record.data, as: UTF8.self))
                        }
                        offset += placement.totalLength
                    }
                }
            }
        }
    }
}
