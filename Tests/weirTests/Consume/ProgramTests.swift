// SPDX-License-Identifier: Apache-2.0
import NIOPosix
import Testing
import WeirClient
import WeirModel

@testable import WeirCommands
@testable import WeirConsumer

private func record(_ index: UInt64, _ data: [UInt8], subSequence: UInt64? = nil) -> UserRecord {
    let record = Record(
        sequenceNumber: SequenceNumber(
            shardCreationSecond: 1000, shard: ShardNumber(2), index: index, arrivalSecond: 2000),
        partitionKey: "k\(index)", explicitHashKey: nil, data: data, approximateArrivalMillis: 2_000_500)
    guard let subSequence else { return UserRecord(record) }
    return UserRecord(record, subSequence: subSequence, isLast: false)
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("What programs are told and answer")
struct ProgramMessageTests {
    @Test("Each action is one line of JSON; user records of an aggregate have their position")
    func messages() throws {
        #expect(
            text(ProgramMessage.initialize(ShardNumber(2), from: .trimHorizon))
                == #"{"action":"initialize","shardId":"shardId-000000000002","checkpoint":"TRIM_HORIZON"}"# + "\n")
        #expect(
            text(ProgramMessage.plain("leaseLost", ShardNumber(2)))
                == #"{"action":"leaseLost","shardId":"shardId-000000000002"}"# + "\n")
        let records = [record(1, [1]), record(2, [2], subSequence: 7)]
        let line = text(ProgramMessage.records(records, millisBehindLatest: 12))
        #expect(line.hasPrefix(#"{"action":"processRecords","millisBehindLatest":12,"records":[{"shardId":"#))
        #expect(line.contains(#""partitionKey":"k1","approximateArrivalTimestamp":2000.500,"data":"AQ=="},{"#))
        #expect(line.contains(#","subSequenceNumber":7,"partitionKey":"k2","#))
        #expect(line.hasSuffix("]}\n") && line.count { $0 == "\n" } == 1)
    }

    @Test("A line has at most 1 MiB of data, or one record")
    func portions() {
        let sizes = [600_000, 400_000, 200_000, 2_000_000, 5, 5]
        let records = sizes.enumerated().map { record(UInt64($0), [UInt8](repeating: 0, count: $1)) }
        let portions = ProgramMessage.portions(
            UserRecords(records, shard: ShardNumber(2), millisBehindLatest: 0))
        #expect(portions.map { $0.map(\.sequenceNumber.index) } == [[0, 1], [2], [3], [4, 5]])
    }

    @Test("Answers are read in any order of members, and unknown members skipped")
    func answers() throws {
        func parse(_ line: String) throws -> ProgramAnswer { try ProgramAnswer(parsing: Array(line.utf8)) }
        #expect(try parse(#"{"action":"done"}"#) == .done(checkpoints: true))
        #expect(try parse(#" { "checkpoint" : false , "action" : "done", "x":[1,{}] } "#) == .done(checkpoints: false))
        #expect(try parse(#"{"action":"checkpoint"}"#) == .checkpoint(nil, subSequence: nil))
        #expect(try parse(#"{"act\u0069on":"\u0064one","\u0063heckpoint":false}"#) == .done(checkpoints: false))
        let number = record(5, []).sequenceNumber
        #expect(
            try parse(#"{"sequenceNumber":"\#(number)","subSequenceNumber": 3,"action":"checkpoint"}"#)
                == .checkpoint(number, subSequence: 3))
        #expect(
            try parse(#"{"action":"checkpoint","sequenceNumber":"\#(number)","subSequenceNumber":null}"#)
                == .checkpoint(number, subSequence: nil))
    }

    @Test(
        "Nonsense is named",
        arguments: [
            "", "hello", "{}", "[]", "null", #"{"action":"doen"}"#, #"{"action":7}"#, #"{"action":"done"} x"#,
            #"{"action":"done","checkpoint":1}"#, #"{"action":"checkpoint","sequenceNumber":"12"}"#,
            #"{"action":"checkpoint","subSequenceNumber":-1}"#, #"{"action":"done""#,
        ])
    func nonsense(_ line: String) {
        let failure = #expect(throws: ProgramFailure.self) { try ProgramAnswer(parsing: Array(line.utf8)) }
        #expect(failure?.description.hasPrefix("wrote '\(line)', which is no answer: ") == true)
    }
}

@Suite("Programs are run", .timeLimit(.minutes(2)))
struct ChildProgramTests {
    private func with(
        _ script: String, _ body: (ChildProgram) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let program = try await ChildProgram.start(try ProgramCommand("sh", ["-c", script]), on: group)
        try await body(program)
        await program.end(killing: true)
    }

    @Test("A missing program is told before anything is done")
    func missing() {
        for name in ["no-such-program-here", "/no/such/program", "", "/", "/dev/null"] {
            let failure = #expect(throws: Failure.self) { try ProgramCommand(name, []) }
            #expect(failure?.status == .failed && failure?.description.contains("'\(name)'") == true)
        }
    }

    @Test("Lines go in and out, and the way it ends is told")
    func lines() async throws {
        try await self.with("while read -r line; do echo \"got $line\"; done; exit 3") { program in
            try await program.write(Array("one\ntwo\n".utf8))
            #expect(text(try await program.line()) == "got one")
            #expect(text(try await program.line()) == "got two")
            #expect(await program.end() == "ended with status 3")
            await #expect(throws: ProgramFailure.outputClosed) { try await program.line() }
        }
    }

    @Test("One that dies, by itself or by a signal, is told")
    func death() async throws {
        try await self.with("kill -9 $$") { program in
            await #expect(throws: ProgramFailure.outputClosed) { try await program.line() }
            #expect(await program.end() == "was ended by signal 9")
        }
    }

    @Test("One that does not read its input, or does not answer, is killed after its time")
    func stuck() async throws {
        try await self.with("exec sleep 1000") { program in
            let bytes = [UInt8](repeating: 32, count: 1 << 20)
            await #expect(throws: ProgramFailure.self) {
                try await program.within(millis: 50) {
                    try await program.write(bytes)
                    _ = try await program.line()
                }
            }
            #expect(await program.end() == "was ended by signal 9")
        }
    }

    @Test("Whoever waits for an answer can be cancelled")
    func cancelled() async throws {
        try await self.with("exec sleep 1000") { program in
            let task = Task { try await program.line() }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("A line without end is refused at its limit")
    func endless() async throws {
        try await self.with("exec tr '\\0' x < /dev/zero") { program in
            await #expect(throws: ProgramFailure("wrote a line of more than 65536 bytes")) {
                try await program.line()
            }
        }
    }

    @Test("Lines that nobody asked for are bounded")
    func flood() async throws {
        let lines = ProgramLines()
        for number in 0...ProgramLines.waitingMax { lines.add(Array("\(number)".utf8)) }
        for number in 0..<ProgramLines.waitingMax { #expect(text(try await lines.next()) == "\(number)") }
        await #expect(throws: ProgramFailure("wrote more than 10000 lines that nobody asked for")) {
            try await lines.next()
        }
    }

    @Test("Ctrl-C on the terminal does not reach it: it has a process group of its own, and no signal is blocked")
    func group() async throws {
        let script = "read -r a b c d group e < /proc/$$/stat; echo $group; echo $$; kill -TERM $$; sleep 1000"
        try await self.with(script) { program in
            let group = text(try await program.line()).trimmed
            #expect(group == text(try await program.line()).trimmed)
            #expect(group == "\(program.process)")
            await #expect(throws: ProgramFailure.self) { try await program.line() }
            #expect(await program.end() == "was ended by signal 15")
        }
    }
}

extension String {
    fileprivate var trimmed: String { String(self.drop { $0 == " " }) }
}
