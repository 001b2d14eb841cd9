// SPDX-License-Identifier: Apache-2.0
import NIOPosix
import Synchronization
import Testing
import WeirClient
import WeirModel

@testable import WeirCommands
@testable import WeirConsumer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One shard with its records, leased to whoever asks.
private final class OneShard: LeaseService, RecordSource, DeadLetters {
    static let shard = ShardNumber(2)

    struct State {
        var checkpoints: [LeaseCheckpoint] = []
        var letters: [String] = []
        var hasLeft = false
    }

    private let records: [Record]
    private let isClosed: Bool
    private let state = Mutex(State())

    init(_ data: [String], isClosed: Bool) {
        self.isClosed = isClosed
        self.records = data.enumerated().map { index, data in
            Record(
                sequenceNumber: Self.number(UInt64(index)), partitionKey: "k\(index)", explicitHashKey: nil,
                data: Array(data.utf8), approximateArrivalMillis: 2_000_500)
        }
    }

    static func number(_ index: UInt64) -> SequenceNumber {
        SequenceNumber(shardCreationSecond: 1000, shard: Self.shard, index: index, arrivalSecond: 2000)
    }

    func get<R: Sendable>(_ body: (State) -> R) -> R { self.state.withLock { body($0) } }

    func join(sessionTimeoutMillis: Int, from: StreamStart) async throws -> Assignment {
        let lease = AssignedLease(
            shard: Self.shard, counter: 1, checkpoint: .trimHorizon, isToBeHandedOver: false)
        return Assignment(version: 1, leases: [lease])
    }

    func heartbeat(
        seen version: UInt64, wait: Duration, measured: [(shard: ShardNumber, bytesPerSecond: UInt64)]
    ) async throws -> Assignment {
        await untilCancelled()
        try Task.checkCancellation()
        return Assignment(version: 1, leases: nil)
    }

    func checkpoint(_ shard: ShardNumber, counter: UInt64, _ checkpoint: LeaseCheckpoint) async throws {
        self.state.withLock { $0.checkpoints.append(checkpoint) }
    }

    func saveState(_ shard: ShardNumber, counter: UInt64, _ state: [UInt8], replaces: UInt32) async throws {}
    func state(_ shard: ShardNumber, counter: UInt64) async throws -> [UInt8] { [] }
    func handOver(_ shard: ShardNumber, counter: UInt64) async throws {}
    func leave() async throws { self.state.withLock { $0.hasLeft = true } }

    func reading(_ shard: ShardNumber, counter: UInt64, from position: LeaseCheckpoint) -> any LeaseReading {
        Reading(batches: [SourceBatch(self.records, isEndOfShard: self.isClosed)])
    }

    private final class Reading: LeaseReading {
        var batches: [SourceBatch]
        init(batches: [SourceBatch]) { self.batches = batches }
        func next() async throws -> SourceBatch? {
            if let batch = self.batches.popLast() { return batch }
            // Nothing comes any more; the worker cancels this when it ends.
            await untilCancelled()
            return nil
        }
    }

    func put(key: String, data: [UInt8]) async throws {
        self.state.withLock { $0.letters.append(String(decoding: data, as: UTF8.self)) }
    }

    func close() async {}
}

@Suite("Programs process records", .timeLimit(.minutes(2)))
struct ProgramProcessorTests {
    /// Runs a program over records until `isDone`, and shuts the worker down.
    private func run(
        _ program: [String], _ data: [String], isClosed: Bool = false, buries: Bool = false, attempts: Int = 3,
        timeoutMillis: Int = 20_000, recordsPerCall: Int = 10_000, until isDone: (OneShard, Worker) -> Bool
    ) async throws -> (server: OneShard, status: WorkerStatus) {
        let server = OneShard(data, isClosed: isClosed)
        var configuration = WorkerConfiguration(application: try ApplicationName("app"), checkpoints: .manual)
        configuration.sessionTimeout = .seconds(300)
        configuration.recordsPerCall = recordsPerCall
        configuration.retry = ProcessorRetry(from: .milliseconds(1), to: .milliseconds(2), attempts: attempts)
        let services = WorkerServices(leases: server, source: server, deadLetters: buries ? server : nil)
        let command = try ProgramCommand(program[0], Array(program.dropFirst()))
        let worker = try Worker(configuration, connect: { services }) { shard in
            ProgramProcessor(
                command, shard, timeoutMillis: timeoutMillis, on: MultiThreadedEventLoopGroup.singleton)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            while !isDone(server, worker) { await Task.yield() }
            worker.shutdown()
            try await group.waitForAll()
        }
        #expect(server.get { $0.hasLeft })
        return (server, worker.status)
    }

    private let done = #"{"action":"done"}"#

    private func through(_ index: UInt64) -> LeaseCheckpoint {
        .sequenceNumber(OneShard.number(index), subSequence: nil)
    }

    @Test("One that says done to everything has processed the shard to its end")
    func whole() async throws {
        let (_, status) = try await self.run(
            ["sed", "-u", "s/.*/\(self.done)/"], ["a", "b", "c"], isClosed: true
        ) { server, _ in server.get { $0.checkpoints.last == .shardEnd } }
        #expect(status.records == 3 && status.retries == 0 && status.shardsEnded == 1)
    }

    @Test("The program of the page works")
    func page() async throws {
        let place = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let page = try #require(readFile("/\(place)/docs/consumers.md"))
        let code = try #require(page.components(between: "```python\n", "```"))
        #expect(code.split(separator: "\n").count <= 10)
        let (_, status) = try await self.run(["python3", "-c", code], ["a", "b"], isClosed: true) { server, _ in
            server.get { $0.checkpoints.last == .shardEnd }
        }
        #expect(status.records == 2 && status.retries == 0)
    }

    @Test("One that dies at a record is started again, and the record buried with what became of the program")
    func dies() async throws {
        // "bad" in base64.
        let script = "while read -r line; do case $line in *YmFk*) exit 7;; esac; echo '\(self.done)'; done"
        let (server, status) = try await self.run(
            ["sh", "-c", script], ["a", "bad", "c"], isClosed: true, buries: true
        ) { server, _ in server.get { $0.checkpoints.last == .shardEnd } }
        let letters = server.get { $0.letters }
        #expect(letters.count == 1 && status.deadLetters == 1 && status.records == 2)
        #expect(letters.first?.contains("the program 'sh' has closed its output, and ended with status 7") == true)
        #expect(letters.first?.contains(#""data":"YmFk""#) == true)
    }

    @Test("One that is started again is told the checkpoint of now, not that of the first start", arguments: [1, 2, 5])
    func startedAgain(_ good: Int) async throws {
        let file = "/tmp/weir-program-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { unlink(file) }
        // "bad" in base64. It has checkpointed what came before when it dies.
        let script = """
            while read -r line; do
              case $line in *initialize*) echo "$line" >> \(file);; esac
              case $line in *YmFk*) exit 7;; esac
              echo '\(self.done)'
            done
            """
        let data = (0..<good).map { "a\($0)" } + ["bad", "c"]
        let (server, _) = try await self.run(["sh", "-c", script], data, isClosed: true, buries: true) { server, _ in
            server.get { $0.checkpoints.last == .shardEnd }
        }
        #expect(server.get { $0.letters.count } == 1)
        let told = (readFile(file) ?? "").split(separator: "\n").map(String.init)
        #expect(told.first?.contains("\"checkpoint\":\"\(LeaseCheckpoint.trimHorizon)\"") == true)
        let last = self.through(UInt64(good - 1))
        #expect(told.last?.contains("\"checkpoint\":\"\(last)\"") == true, "\(told)")
    }

    @Test(
        "What a program was given and has not checkpointed is given to the one after it, whichever call gave it",
        arguments: [1, 2, 3, 7])
    func givenAgain(_ recordsPerCall: Int) async throws {
        let file = "/tmp/weir-program-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { for name in [file, file + ".lives"] { unlink(name) } }
        // The first life checkpoints nothing and dies at "bad" (in base64); the second one does everything.
        let script = """
            life=$(cat \(file).lives 2>/dev/null | wc -l); echo x >> \(file).lives
            while read -r line; do
              case $line in *processRecords*) echo "$life $line" >> \(file);; esac
              if [ $life = 0 ]; then
                case $line in *YmFk*) exit 7;; esac
                echo '{"action":"done","checkpoint":false}'
              else
                echo '\(self.done)'
              fi
            done
            """
        let data = ["a0", "a1", "a2", "a3", "bad", "c"]
        let (_, status) = try await self.run(
            ["sh", "-c", script], data, isClosed: true, recordsPerCall: recordsPerCall
        ) { server, _ in server.get { $0.checkpoints.last == .shardEnd } }
        #expect(status.records == 6)
        let second = (readFile(file) ?? "").split(separator: "\n").filter { $0.hasPrefix("1 ") }.joined()
        let encoded = ["YTA=", "YTE=", "YTI=", "YTM=", "YmFk", "Yw=="]
        let places = encoded.map { word in
            second.ranges(of: word).map { second.distance(from: second.startIndex, to: $0.lowerBound) }
        }
        #expect(places.allSatisfy { $0.count == 1 }, "each once, in the second life")
        #expect(places.compactMap(\.first) == places.compactMap(\.first).sorted())
    }

    @Test("More than can be kept is not given again: the records begin at the checkpoint elsewhere")
    func owedRecords() {
        func record(_ index: UInt64) -> UserRecord {
            UserRecord(
                Record(
                    sequenceNumber: OneShard.number(index), partitionKey: "k", explicitHashKey: nil,
                    data: [UInt8](repeating: 0, count: 9), approximateArrivalMillis: 0))
        }
        for kept in 0...4 {
            var owed = OwedRecords(bytesMax: kept * (10 + OwedRecords.bytesBeside))
            for index in 0..<4 as Range<UInt64> { owed.add(record(index)) }
            #expect(owed.records.count == kept && owed.areTooMany == (kept < 4))
            owed.settle(upTo: self.through(1))
            #expect(owed.records.count == max(0, kept - 2) && owed.areTooMany == (kept < 4))
            owed.settle(upTo: self.through(3))
            #expect(owed.records.isEmpty && !owed.areTooMany)
            if kept > 0 { owed.add(record(4)) }
            #expect(owed.records.count == min(1, kept))
        }
    }

    @Test("One that always has a few records that it has not checkpointed is given them again, however many went by")
    func owedRecordsAreKeptAgain() {
        var owed = OwedRecords(bytesMax: 3 * (10 + OwedRecords.bytesBeside))
        func record(_ index: UInt64) -> UserRecord {
            UserRecord(
                Record(
                    sequenceNumber: OneShard.number(index), partitionKey: "k", explicitHashKey: nil,
                    data: [UInt8](repeating: 0, count: 9), approximateArrivalMillis: 0))
        }
        // Once there are too many; from then on it is always one record behind.
        for index in 0..<5 as Range<UInt64> { owed.add(record(index)) }
        #expect(owed.areTooMany)
        for index in 5..<50 as Range<UInt64> {
            owed.settle(upTo: self.through(index - 2))
            owed.add(record(index))
        }
        #expect(!owed.areTooMany && owed.records.map(\.sequenceNumber) == [OneShard.number(48), OneShard.number(49)])
    }

    @Test("A line has at most 500 records", arguments: [1, 499, 500, 501, 1000, 1001])
    func portions(_ count: Int) {
        let records = (0..<UInt64(count)).map {
            UserRecord(
                Record(
                    sequenceNumber: OneShard.number($0), partitionKey: "k", explicitHashKey: nil, data: [1],
                    approximateArrivalMillis: 0))
        }
        let portions = ProgramMessage.portions(records)
        #expect(portions.count == (count + 499) / 500 && portions.allSatisfy { (1...500).contains($0.count) })
        #expect(portions.joined().map(\.sequenceNumber) == records.map(\.sequenceNumber))
    }

    @Test("While earlier records are not checkpointed none is put aside: any of them may be why", arguments: [1, 2, 3])
    func nothingIsBuriedForAnother(_ recordsPerCall: Int) async throws {
        // It keeps everything that it gets until there are four, and dies of "bad" (in base64) then, in every life.
        let script = """
            all=; count=0
            while read -r line; do
              case $line in *processRecords*)
                all="$all $line"; count=$((count + $(echo "$line" | grep -o '"data"' | wc -l)));;
              esac
              if [ $count -ge 4 ]; then case $all in *YmFk*) exit 7;; esac; fi
              echo '{"action":"done","checkpoint":false}'
            done
            """
        let (server, status) = try await self.run(
            ["sh", "-c", script], ["a", "bad", "c", "d", "e", "f"], buries: true, recordsPerCall: recordsPerCall
        ) { _, worker in worker.status.shardsStopped > 0 }
        #expect(server.get { $0.letters.isEmpty && $0.checkpoints.isEmpty } && status.deadLetters == 0)
    }

    @Test(
        "Nonsense, wrong checkpoints and silence stop the shard before the records, and nothing is skipped",
        arguments: [
            "echo hello", "exec sleep 1000", "exec cat", "echo '{\"action\":\"checkpoint\",\"sequenceNumber\":\"1\"}'",
            "echo '{\"action\":\"checkpoint\",\"sequenceNumber\":\"\(OneShard.number(9))\"}'",
            // The second one would count for records that it has not seen.
            #"printf '{"action":"done"}\n{"action":"done"}\n'"#,
        ])
    func nonsense(_ answer: String) async throws {
        let script = "read -r line; echo '\(self.done)'; read -r line; \(answer); read -r line; sleep 1000"
        let (server, status) = try await self.run(
            ["sh", "-c", script], ["a", "b"], attempts: 2, timeoutMillis: 1000
        ) { _, worker in worker.status.shardsStopped == 1 }
        #expect(server.get { $0.checkpoints.isEmpty })
        #expect(status.records == 0 && status.retries == 1)
    }

    @Test("Checkpoints within an action are stored; done without one stores none; a shutdown is told, and then it ends")
    func checkpoints() async throws {
        let file = "/tmp/weir-program-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        defer { unlink(file) }
        let script = """
            while read -r line; do
              echo "$line" >> \(file)
              case $line in
                *processRecords*)
                  echo '{"action":"checkpoint","sequenceNumber":"\(OneShard.number(1))"}'
                  echo '{"action":"done","checkpoint":false}';;
                *) echo '{"action":"done","checkpoint":false}';;
              esac
            done
            echo end >> \(file)
            """
        let (server, status) = try await self.run(["sh", "-c", script], ["a", "b", "c"]) { _, worker in
            worker.status.records == 3
        }
        #expect(server.get { $0.checkpoints } == [self.through(1)])
        #expect(status.retries == 0)
        let actions = (readFile(file) ?? "").split(separator: "\n").map { line in
            ["initialize", "processRecords", "shutdownRequested", "end"].first { line.contains($0) } ?? String(line)
        }
        #expect(actions == ["initialize", "processRecords", "shutdownRequested", "end"])
    }
}

private func untilCancelled() async {
    let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
    for await _ in stream {}
    continuation.finish()
}

private func readFile(_ path: String) -> String? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&part, 1, part.count, file), count > 0 { bytes += part[..<count] }
    return String(decoding: bytes, as: UTF8.self)
}

extension String {
    /// What stands between the first `begin` and the next `end`.
    fileprivate func components(between begin: String, _ end: String) -> String? {
        var start = self.startIndex
        while start < self.endIndex, !self[start...].hasPrefix(begin) { start = self.index(after: start) }
        guard start < self.endIndex else { return nil }
        let first = self.index(start, offsetBy: begin.count)
        var stop = first
        while stop < self.endIndex, !self[stop...].hasPrefix(end) { stop = self.index(after: stop) }
        return String(self[first..<stop])
    }
}
