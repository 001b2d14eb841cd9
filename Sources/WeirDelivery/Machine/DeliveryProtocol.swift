// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// The steps in which files get their names (docs/decisions/0013-files-by-intent.md).
package enum NamingStep: Hashable, Sendable {
    /// What was written survives a crash.
    case sync
    /// Whoever holds the lease next finds out what is about to happen.
    case intent
    case names
    /// Nothing of it has to be done again.
    case commit

    package static let order: [NamingStep] = [.sync, .intent, .names, .commit]
}

/// How a shard is delivered, each record into exactly one file, for one holding of its lease: what is done next, and
/// what follows from how that went. No I/O, clock or chance: whoever runs it performs one effect after the other and
/// gives back what came of each.
package struct DeliveryProtocol: Sendable {
    package struct Rules: Sendable {
        package var stream: StreamName
        /// Tells the stream from all others whose files may come into the same folder, in names of unfinished files.
        package var streamTag: String
        package var application: ApplicationName
        package var shard: ShardNumber
        package var pattern: PrefixPattern
        package var compression: Compression
        package var files: DeliveryMachine.Settings
        /// Whether a note of each file is left for the manifest of its folder.
        package var notes = false
        /// For tests: another order is a broken protocol.
        package var steps = NamingStep.order
        /// For tests: whoever ignores what its predecessor was about to do breaks the protocol.
        package var heedsIntents = true

        package init(
            stream: StreamName, streamTag: String, application: ApplicationName, shard: ShardNumber,
            pattern: PrefixPattern, compression: Compression, files: DeliveryMachine.Settings
        ) {
            self.stream = stream
            self.streamTag = streamTag
            self.application = application
            self.shard = shard
            self.pattern = pattern
            self.compression = compression
            self.files = files
        }
    }

    /// What is wanted of it: one thing at a time.
    package enum Goal: Hashable, Sendable {
        /// What the last holder of the lease has left is finished or removed. Once, before all others. `life` was
        /// drawn.
        case takeOver(from: LeaseCheckpoint, counter: UInt64, life: UInt64)
        /// What is due gets its name; in nanoseconds.
        case due(now: UInt64)
        /// Everything that an intent of an earlier holder wants made again has been read.
        case makeAgain
        /// Records that were passed over need not be read again.
        case settle
        /// Everything that was given gets its name, and nothing comes any more.
        case finish
        /// The same, and the shard is delivered.
        case endShard
    }

    package enum Effect: Hashable, Sendable {
        /// Answered by `state`.
        case readState
        /// Answered by `done` or `displaced`.
        case saveState([UInt8], replacing: [UInt8])
        case checkpoint(SequenceNumber)
        case checkpointEnd
        /// Answered by `exists`.
        case exists(String)
        /// Answered by `found`.
        case look(at: String)
        /// Answered by `published`.
        case publish(String, as: String)
        case discard(String)
        case settle([String])
        case settleUnfinished
        /// Files that have their names are noted for the manifests of their folders, under this name.
        case note(String, [FileNote])
        /// Answered by `names`.
        case list(String)
        /// The open file is written to its end, and survives a crash. Answered by `sealed`.
        case seal(DeliveryMachine.Slot)
        /// Files that are counted; what was open for them is let go.
        case tell(News)
    }

    /// What became of an effect. `done` answers all that have no answer of their own.
    package enum Event: Hashable, Sendable {
        case done
        case state([UInt8])
        /// What stands with the lease is not what the new state names.
        case displaced(WeirError)
        case exists(Bool)
        case found(Stored?)
        case published(Published)
        case names([String])
        /// `nil`: there is no such open file.
        case sealed(Sealed?)
    }

    package struct Sealed: Hashable, Sendable {
        package let unfinished: String
        package let stored: Stored
        /// Random, for the file's name.
        package let draw: UInt64

        package init(unfinished: String, stored: Stored, draw: UInt64) {
            self.unfinished = unfinished
            self.stored = stored
            self.draw = draw
        }
    }

    package enum News: Hashable, Sendable {
        case delivered([IntendedFile], of: [DeliveryMachine.OpenFile])
        /// Of another holder's intent.
        case recovered(finished: Int, toMakeAgain: Int)
        /// What stays unfinished although the delivery ends, a sentence.
        case leaves(String)
    }

    package enum Step: Hashable, Sendable {
        case perform(Effect)
        /// The goal is reached.
        case done
        case over(End)
    }

    /// Why nothing is done any more.
    package enum End: Error, Hashable, Sendable {
        case stopped
        /// Records have to be read again from the checkpoint on; a sentence says why.
        case beginsAnew(String)
        case failed(WeirError)
    }

    enum Stage: Sendable {
        case new
        case takesOver(TakingOver)
        case ready
        case names(Naming)
        case settles
        case settlesUnfinished
        case endsShard
        case leaves
        case over(End)
    }

    package let rules: Rules
    /// Which records go where.
    package var plan: DeliveryMachine
    package var patterns: PatternEras
    /// Unfinished files that an intent names, or may name: they are its next holder's too.
    package internal(set) var intended: Set<String> = []
    /// The lease's, and what was drawn for this holding of it, so that nothing of an earlier one can take its place.
    var counter: UInt64 = 0
    var life: UInt64 = 0
    /// All that is kept with the lease, as far as that is known.
    var stored: [UInt8] = []
    var stage = Stage.new
    private var goal = Goal.settle
    private var made: UInt64 = 0

    package init(_ rules: Rules) {
        self.rules = rules
        self.plan = DeliveryMachine(rules.files, from: nil)
        self.patterns = PatternEras(rules.pattern)
    }

    /// `nil`: it goes on.
    package var end: End? { if case .over(let end) = self.stage { end } else { nil } }
    package var isReady: Bool { if case .ready = self.stage { true } else { false } }

    /// For a file that begins.
    package mutating func nextUnfinished() -> String {
        self.made += 1
        return FileName.unfinished(
            self.rules.streamTag, self.rules.application, self.rules.shard, counter: self.counter, number: self.made,
            life: self.life)
    }

    /// Files are noted under a name that no others have: one that is finished twice may be noted twice.
    func noting(_ files: [IntendedFile]) -> Effect {
        .note(files.first?.unfinished ?? "", files.map { FileNote($0) })
    }

    // MARK: Goals

    /// A goal that comes when it cannot be reached begins everything anew: what is written then is written from the
    /// checkpoint on, whatever went wrong here.
    package mutating func begin(_ goal: Goal) -> Step {
        switch (self.stage, goal) {
        case (.over(let end), _): return .over(end)
        case (.new, .takeOver(let checkpoint, let counter, let life)):
            self.goal = goal
            self.counter = counter
            self.life = life
            return self.takeOver(from: checkpoint)
        case (.ready, .due), (.ready, .makeAgain), (.ready, .settle), (.ready, .finish), (.ready, .endShard):
            self.goal = goal
            return self.goOn()
        default: return self.ends(.beginsAnew("\(goal) was asked of \(self.rules.shard) at \(self.stageName)"))
        }
    }

    /// What is still to be done for the goal.
    mutating func goOn() -> Step {
        self.stage = .ready
        switch self.goal {
        case .takeOver: return .done
        case .due(let now): return self.name(self.plan.due(now: now)) ?? .done
        case .makeAgain: return self.makeAgain() ?? .done
        case .settle:
            guard let checkpoint = self.plan.settleIdle() else { return .done }
            self.stage = .settles
            return .perform(.checkpoint(checkpoint))
        case .finish:
            if let step = self.name(self.plan.rest()) { return step }
            guard !self.plan.open.isEmpty else { return self.finished() }
            self.stage = .leaves
            return .perform(
                .tell(.leaves("files of an earlier run have to be made again first, and not all of them could be read"))
            )
        case .endShard:
            if let step = self.makeAgain() ?? self.name(self.plan.rest()) { return step }
            // Nobody looks for unfinished files of this shard any more, so none may come back after a power cut.
            self.stage = .settlesUnfinished
            return .perform(.settleUnfinished)
        }
    }

    private mutating func makeAgain() -> Step? {
        guard self.plan.again != nil else { return nil }
        let files = self.plan.open.values.filter { if case .again = $0.slot { true } else { false } }
        guard files.isEmpty else { return self.name(files) }
        self.plan.nothingToMakeAgain()
        return nil
    }

    private mutating func finished() -> Step {
        self.stage = .over(.stopped)
        return .done
    }

    // MARK: Events

    /// An event that does not answer what was done last begins everything anew.
    package mutating func handle(_ event: Event) -> Step {
        switch (self.stage, event) {
        case (.over(let end), _): return .over(end)
        case (.takesOver(let step), _): return self.handle(event, step) ?? self.unexpected(event)
        case (.names(let step), _): return self.handle(event, step) ?? self.unexpected(event)
        case (.settles, .done):
            if let checkpoint = self.plan.checkpoint { self.patterns.forget(through: checkpoint.index) }
            return self.goOn()
        case (.settlesUnfinished, .done):
            self.stage = .endsShard
            return .perform(.checkpointEnd)
        case (.endsShard, .done), (.leaves, .done): return self.finished()
        default: return self.unexpected(event)
        }
    }

    private mutating func unexpected(_ event: Event) -> Step {
        if case .displaced(let error) = event { return self.ends(.failed(error)) }
        return self.ends(.beginsAnew("\(self.rules.shard) was answered \(event) at \(self.stageName)"))
    }

    /// An effect has failed for good, the lease is another's, or the delivery ends.
    @discardableResult
    package mutating func ends(_ end: End) -> Step {
        if case .over(let earlier) = self.stage { return .over(earlier) }
        self.stage = .over(end)
        return .over(end)
    }

    private var stageName: String {
        switch self.stage {
        case .new: "its beginning"
        case .takesOver: "taking over"
        case .ready: "rest"
        case .names: "naming"
        case .settles, .settlesUnfinished, .endsShard, .leaves: "its end"
        case .over: "its end"
        }
    }
}
