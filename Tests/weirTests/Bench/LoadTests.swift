// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirJSON
import WeirModel
import WeirProtocol

@testable import WeirCommands

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite struct LoadTests {
    private func map(_ shards: Int) -> ShardMap {
        let open = HashKeyRange.tiling(shards).enumerated().map { number, range in
            ShardDescription(
                number: ShardNumber(UInt32(number)), range: range, parents: [], creationSecond: 1, firstIndex: 0,
                createdAtMillis: 1000, closed: nil)
        }
        return ShardMap(stream: StreamID(7), version: 3, open: open)
    }

    private func frames(_ shards: Int, batch: Int, size: Int, _ grouping: LoadGrouping) -> [[UInt8]] {
        LoadFrames(stream: StreamID(7), map: self.map(shards), batch: batch, size: size, grouping: grouping)
            .make(3, firstCorrelation: 2, seed: 5)
    }

    @Test(arguments: [LoadGrouping.client, .server])
    func requestsAreWholePutsThatAServerTakes(grouping: LoadGrouping) throws {
        let map = self.map(4)
        var keys: Set<String> = []
        for (position, frame) in self.frames(4, batch: 500, size: 100, grouping).enumerated() {
            try frame.withUnsafeBytes { raw in
                let outcome = FrameScanner.next(in: raw, .open(frameBytesMax: Limits.frameBytesMax))
                guard case .frame(let header, let payload) = outcome else {
                    Issue.record("no whole frame: \(outcome)")
                    return
                }
                #expect(header.type == .putRecords)
                #expect(header.correlation == UInt64(2 + position))
                #expect(payload.upperBound == frame.count)
                let put = try PutRecordsView(payload: UnsafeRawBufferPointer(rebasing: raw[payload]))
                #expect(put.header == PutRecords.Header(stream: StreamID(7), mapVersion: 3))
                #expect(put.recordCount == 500)
                #expect(put.isRoutedByServer == (grouping == .server))
                #expect(put.groupCount == (grouping == .server ? 1 : 4))
                for group in put.groups {
                    let body = try BatchBody.header(of: group.body)
                    #expect(BatchBody.checksumMatches(group.body, body))
                    var records = RecordCursor(records: group.body.slice(BatchBody.headerBytes, body.recordsLength))
                    while let record = try records.next() {
                        #expect(record.data.count == 100)
                        #expect(record.key.count == LoadRecords.keyBytes)
                        keys.insert(String(decoding: record.key, as: UTF8.self))
                        if let shard = group.shard {
                            #expect(map.shard(for: HashKey(hashing: record.key)).number == shard)
                        }
                    }
                }
            }
        }
        // Each record has a key of its own.
        #expect(keys.count == 1500)
    }

    @Test func theSameSeedMakesTheSameRequests() {
        #expect(self.frames(4, batch: 10, size: 300, .client) == self.frames(4, batch: 10, size: 300, .client))
    }

    @Test(arguments: [(500, 4, LoadGrouping.client), (500, 64, .server), (1, 1, .server), (16, 1, .client)])
    func theClientGroupsWhenManyRecordsGoToAShard(batch: Int, shards: Int, expected: LoadGrouping) throws {
        let command = try #require(
            try WeirCommand.parseAsRoot(["bench", "produce", "--batch", String(batch)]) as? BenchProduceCommand)
        #expect(command.load.grouping(shards: shards) == expected)
    }

    @Test func latenciesAreMicroseconds() throws {
        var latencies = Latencies()
        #expect(latencies.micros(50) == nil)
        for micros in 1...1000 { latencies.record(nanos: UInt64(micros) * 1000) }
        latencies.record(nanos: .max)
        let (median, high) = (try #require(latencies.micros(50)), try #require(latencies.micros(99)))
        #expect(abs(median - 501) < 2)
        #expect(abs(high - 991) < 2)
    }

    @Test func theUsageOfThisProcessIsKnown() throws {
        let usage = try #require(ProcessUsage.of(pid: getpid()))
        #expect(usage.cpuSeconds > 0)
        #expect(try #require(usage.peakBytes) > 1 << 20)
        #expect(ProcessUsage.of(pid: Int32.max) == nil)
    }

    @Test func aReportHasTheFieldsThatScriptsReadNatively() {
        var report = BenchReport()
        report.setRates(records: 1000, seconds: 0.5, bytes: 100_000)
        report.setLatencies(nil, title: "")
        report.setUsage(.init(own: 0.25, server: 0.1, serverPeakBytes: 3 << 20), seconds: 0.5)
        report.setErrors(0, nil)
        let output = OutputBytes()
        report.object.write(to: output)
        #expect(
            output.text
                == "{\"secs\":0.500,\"records\":1000,\"rec_s\":2000,\"mb_s\":0.2,\"p50_us\":null,\"p99_us\":null,"
                + "\"p999_us\":null,\"srv_cpu_s\":0.10,\"srv_hwm_mb\":3,\"gen_cpu_s\":0.25,\"gen_cpu_pct\":50,"
                + "\"errors\":0}\n")
    }

    @Test func aStopThatComesBeforeTheStartStopsAllTheSame() async {
        let stop = StopSwitch()
        stop.stop()
        await confirmation { stopped in stop.arm { stopped() } }
    }
}
