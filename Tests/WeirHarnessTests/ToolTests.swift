// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirHarness

/// The tools that the real process is judged with.
struct ToolTests {
    @Test func jsonIsReadStrictly() throws {
        let value = try JSON(parsing: #" {"a":[1,-2.5e3,true,null],"b":"\u00e4\ud83d\udc0e\n\"","c":{}} "#)
        #expect(value["a"] == .array([.number("1"), .number("-2.5e3"), .bool(true), .null]))
        #expect(value["b"] == .string("\u{e4}\u{1f40e}\n\""))
        #expect(value["c"] == .object([:]))
        for wrong in [
            "", "{", "{\"a\"}", "{\"a\":1,}", "[1 2]", "01", "1.", "+1", "nul", "\"a", "\"\u{1}\"", "\"\\x\"", "{} {}",
            "{\"a\":1,\"a\":2}", "\"\\ud83d\"", "NaN",
        ] {
            #expect(throws: HarnessError.self, "\(wrong)") { try JSON(parsing: wrong) }
        }
    }

    @Test func recordLinesAreReadStrictly() throws {
        let number = SequenceNumber(shardCreationSecond: 7, shard: ShardNumber(3), index: 12, arrivalSecond: 9)
        let good =
            #"{"shardId":"shardId-000000000003","sequenceNumber":"\#(number)","partitionKey":"p0-k1","#
            + #""approximateArrivalTimestamp":9.125,"data":"aGFsbG8="}"#
        let line = try RecordLine(Array(good.utf8).span)
        #expect(line.sequenceNumber == number)
        #expect(line.partitionKey == "p0-k1")
        #expect(line.arrivalMillis == 9125)
        #expect(line.data == Array("hallo".utf8))
        for (part, other) in [
            ("shardId-000000000003", "shardId-000000000004"), ("aGFsbG8=", "aGFsbG8"), ("aGFsbG8=", "aGFs*G8="),
            ("\"}", "\"} "), ("partitionKey", "partitionkey"), ("9.125", "soon"), ("p0-k1", "p0\\nk1"),
        ] {
            let bad = good.replacingFirst(part, with: other)
            #expect(throws: (any Error).self, "\(bad)") { try RecordLine(Array(bad.utf8).span) }
        }
    }

    @Test func aWorkloadKnowsItsOwnRecordsAndNoOthers() {
        let workload = Workload(seed: 1, producers: 2, keys: 8)
        for position in 0..<200 {
            var data = workload.data(1, position)
            let origin = data.withUnsafeBytes { workload.origin($0) }
            #expect(origin?.producer == 1 && origin?.position == position)
            data[data.count - 1] ^= 0x80
            #expect(data.withUnsafeBytes { workload.origin($0) } == nil)
            #expect(workload.data(1, position) == workload.data(1, position))
        }
        #expect(Workload(seed: 2, producers: 2, keys: 8).data(1, 5) != workload.data(1, 5))
    }

    @Test func readyLinesNameTheAddress() {
        #expect(ServerProcess.address(in: "weir 0.1.0 ready on 127.0.0.1:7411, data in ./x")?.port == 7411)
        #expect(ServerProcess.address(in: "weir: ready on 0.0.0.0:80")?.host == "0.0.0.0")
        #expect(ServerProcess.address(in: "127.0.0.1:7411 was here") == nil)
    }

    @Test func childrenAreStartedReadAndEnded() async throws {
        let shell = try await ChildProcess.start(
            "/bin/sh", ["-c", "cat; echo $0 >&2; exit 3", "name"], input: .bytes([104, 105, 10]))
        #expect(try await shell.ended() == .exit(3))
        #expect(shell.output.lines == ["hi"])
        #expect(shell.errors.text == "name\n")
        let sleeper = try await ChildProcess.start("/bin/sleep", ["1000"])
        #expect(sleeper.ending == nil)
        try await sleeper.kill9()
        #expect(sleeper.ending == .signal(9))
        let missing = try await ChildProcess.start("/no/such/program", [])
        #expect(try await missing.ended() == .exit(127))
    }

    @Test func childrenInheritNoFilesAndNoBlockedSignals() async throws {
        let list = try await ChildProcess.start("/bin/ls", ["/proc/self/fd"])
        try await list.ended()
        // Three streams, and the folder that it reads.
        #expect(list.output.lines == ["0", "1", "2", "3"])
        let status = try await ChildProcess.start("/bin/grep", ["SigBlk", "/proc/self/status"])
        try await status.ended()
        #expect(status.output.lines == ["SigBlk:\t0000000000000000"])
    }
}
