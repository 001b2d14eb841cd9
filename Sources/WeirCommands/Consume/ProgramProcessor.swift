// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirClient
import WeirConsumer
import WeirModel

/// Processes the records of a shard by a program, as docs/consumers.md has it. A program that fails in any way is
/// ended, the call fails with the reason, and the next call starts another one: what it was given and has not
/// checkpointed is given again.
actor ProgramProcessor: RecordProcessor {
    /// Checkpoints that may come before one `done`.
    private static let checkpointsMax = 10_000

    private let command: ProgramCommand
    private let group: any EventLoopGroup
    private let shard: ShardNumber
    /// How long the program may take for an action, in milliseconds.
    private let timeoutMillis: Int
    private var program: ChildProgram?
    /// Where the lease began; since then the checkpointer knows better.
    private var beginning = LeaseCheckpoint.trimHorizon
    private var owed = OwedRecords()

    init(_ command: ProgramCommand, _ shard: ShardNumber, timeoutMillis: Int, on group: any EventLoopGroup) {
        self.command = command
        self.shard = shard
        self.timeoutMillis = timeoutMillis
        self.group = group
    }

    // MARK: The calls

    func initialize(_ shard: ShardNumber, from checkpoint: LeaseCheckpoint) async throws {
        self.beginning = checkpoint
        if self.program == nil { _ = try await self.start(from: checkpoint) }
    }

    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        do {
            for portion in ProgramMessage.portions(records) {
                let program = try await self.running(checkpointer)
                try await self.give(portion, millisBehindLatest: records.millisBehindLatest, program, checkpointer)
            }
        } catch let failure as ProgramFailure {
            if let reached = checkpointer.reached { self.owed.settle(upTo: reached) }
            guard let first = self.owed.records.first else { throw failure }
            let count = self.owed.records.count
            throw FailureOfAnyRecord(
                "\(failure.description); since its last checkpoint it was given \(count) earlier "
                    + "\(count == 1 ? "record" : "records") too, from \(first.position) on, and any of them may be why")
        }
        // A call that fails is made again with all that it was to give. What earlier ones gave is owed.
        for record in records { self.owed.add(record) }
        if let reached = checkpointer.reached { self.owed.settle(upTo: reached) }
    }

    private func give(
        _ portion: [UserRecord], millisBehindLatest: Int64, _ program: ChildProgram, _ checkpointer: Checkpointer
    ) async throws {
        guard let last = portion.last else { return }
        let line = ProgramMessage.records(portion, millisBehindLatest: millisBehindLatest)
        let isProcessed = try await self.act(program, line) { number, subSequence in
            if let number {
                try await checkpointer.checkpoint(at: number, subSequence: subSequence)
            } else {
                try await checkpointer.checkpoint(at: last)
            }
        }
        if isProcessed { checkpointer.checkpointSoon(at: last) }
    }

    func leaseLost() async {
        guard let program = self.program else { return }
        self.program = nil
        // It may be in the midst of something: it is told, and its answers are not waited for.
        let message = ProgramMessage.plain("leaseLost", self.shard)
        try? await program.within(millis: ChildProgram.endMillis) { try await program.write(message) }
        await program.end()
    }

    func shardEnded(checkpointer: Checkpointer) async throws {
        try await self.finish("shardEnded", checkpointer)
    }

    func shutdownRequested(checkpointer: Checkpointer) async throws {
        // One that has died has nothing to finish: another one would know nothing of what was given before.
        guard self.program != nil else { return }
        do {
            try await self.finish("shutdownRequested", checkpointer)
        } catch {
            await self.give()
            throw error
        }
    }

    private func finish(_ action: String, _ checkpointer: Checkpointer) async throws {
        let program = try await self.running(checkpointer)
        let message = ProgramMessage.plain(action, self.shard)
        let isProcessed = try await self.act(program, message) { number, subSequence in
            if let number {
                try await checkpointer.checkpoint(at: number, subSequence: subSequence)
            } else {
                try await checkpointer.checkpoint()
            }
        }
        if isProcessed { try await checkpointer.checkpoint() }
        self.program = nil
        await program.end()
    }

    // MARK: The program

    /// The program. If there is none another one is started, and gets what the one before has left unprocessed.
    private func running(_ checkpointer: Checkpointer) async throws -> ChildProgram {
        if let program { return program }
        let reached = checkpointer.reached ?? self.beginning
        self.owed.settle(upTo: reached)
        guard !self.owed.areTooMany else {
            throw ProcessorGivesUp(
                "the program '\(self.command.arguments[0])' has ended before it checkpointed more records than can be "
                    + "given again: checkpoint more often")
        }
        let program = try await self.start(from: reached)
        for portion in ProgramMessage.portions(self.owed.records) {
            try await self.give(portion, millisBehindLatest: 0, program, checkpointer)
        }
        return program
    }

    /// What the program gets lies behind `checkpoint`.
    private func start(from checkpoint: LeaseCheckpoint) async throws -> ChildProgram {
        let program = try await self.naming { try await ChildProgram.start(self.command, on: self.group) }
        self.program = program
        let message = ProgramMessage.initialize(self.shard, from: checkpoint)
        _ = try await self.act(program, message) { _, _ in
            throw ProgramFailure("checkpoints before it was given anything")
        }
        return program
    }

    /// Sends an action and reads answers until it is done. Returns whether everything that was given is processed.
    private func act(
        _ program: ChildProgram, _ message: [UInt8],
        checkpoint: @escaping @Sendable (SequenceNumber?, UInt64?) async throws -> Void
    ) async throws -> Bool {
        do {
            return try await program.within(millis: self.timeoutMillis) {
                try program.checkSilent()
                try await program.write(message)
                for _ in 0...Self.checkpointsMax {
                    switch try ProgramAnswer(parsing: try await program.line()) {
                    case .done(let checkpoints):
                        try program.checkSilent()
                        return checkpoints
                    case .checkpoint(let number, let subSequence):
                        try await Self.tolerating { try await checkpoint(number, subSequence) }
                    }
                }
                throw ProgramFailure("checkpoints more than \(Self.checkpointsMax) times in one action")
            }
        } catch {
            throw await self.fail(program, error)
        }
    }

    /// A checkpoint that could not be stored now is no fault of the program: a later one has to do.
    private static func tolerating(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as WeirError where error.code == .invalidArgument {
            throw ProgramFailure("wants a checkpoint that is not allowed: \(error.message)")
        } catch let error as WeirError where error.verdict.retry != .never {
            Messages.write("a checkpoint was not stored: \(error.message)")
        }
    }

    /// Ends a program that has failed; says how, with what became of it. A lost lease is no failure: `leaseLost`
    /// follows.
    private func fail(_ program: ChildProgram, _ error: any Error) async -> any Error {
        guard let failure = error as? ProgramFailure else { return error }
        self.program = nil
        let end = await program.end(killing: !failure.mayHaveEnded)
        return self.named(ProgramFailure("\(failure.description), and \(end)"))
    }

    private func give() async {
        guard let program = self.program else { return }
        self.program = nil
        await program.end()
    }

    private func naming<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch let failure as ProgramFailure {
            throw self.named(failure)
        }
    }

    private func named(_ failure: ProgramFailure) -> ProgramFailure {
        ProgramFailure("the program '\(self.command.arguments[0])' \(failure.description)")
    }
}
