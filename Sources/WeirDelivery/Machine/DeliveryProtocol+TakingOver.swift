// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// What the last holder of the lease has left.
extension DeliveryProtocol {
    /// Each is what was asked for last.
    enum TakingOver: Sendable {
        /// What stands with the lease.
        case reads(Arrival)
        /// That this life stands there: from then on nothing that an earlier holder, or an earlier life of this one,
        /// has sent can take the state's place.
        case claims(Arrival, DeliveryState, [UInt8])
        case finishes(Recovery, Recovery.Question)
        /// That names which were found or given survive a crash.
        case settles(Recovery)
        case notes(Recovery)
        case tells(Recovery)
        case lists(Arrival, DeliveryState)
        case removes(Arrival, DeliveryState, ArraySlice<String>)
        case saves([UInt8])
    }

    /// Where the lease begins.
    struct Arrival: Sendable {
        let number: SequenceNumber?
        /// Attempts to claim it.
        var attempts = 0
    }

    /// An intent that is finished, file by file.
    struct Recovery: Sendable {
        enum Question: Sendable {
            case hasName
            case removal
            case content
            /// Its writer may be giving it its name at this moment.
            case hasNameNow
            case name
        }

        let arrival: Arrival
        var state: DeliveryState
        let intent: Intent
        var position = 0
        var missing: [IntendedFile] = []

        var file: IntendedFile { self.intent.files[self.position] }
        var done: [IntendedFile] { self.intent.files.filter { !self.missing.contains($0) } }
    }

    /// Whoever takes a lease changes its state once; more often it is displaced only by what an earlier life has sent.
    private static let claimsMax = 1000

    mutating func takeOver(from checkpoint: LeaseCheckpoint) -> Step {
        var number: SequenceNumber?
        if case .sequenceNumber(let at, nil) = checkpoint { number = at }
        return self.asks(.reads(Arrival(number: number)), .readState)
    }

    private mutating func asks(_ step: TakingOver, _ effect: Effect) -> Step {
        self.stage = .takesOver(step)
        return .perform(effect)
    }

    /// `nil`: it is no answer to that.
    mutating func handle(_ event: Event, _ step: TakingOver) -> Step? {
        switch (step, event) {
        case (.reads(let arrival), .state(let bytes)): return self.claim(arrival, bytes)
        case (.claims(let arrival, let state, let bytes), .done):
            self.stored = bytes
            return self.heed(arrival, state)
        case (.claims(var arrival, _, _), .displaced(let error)):
            // It came in between.
            arrival.attempts += 1
            guard arrival.attempts < Self.claimsMax else { return self.ends(.failed(error)) }
            return self.asks(.reads(arrival), .readState)
        case (.finishes(let recovery, let question), _): return self.finish(recovery, question, event)
        case (.settles(let recovery), .done):
            guard self.rules.notes else { return self.recovered(recovery) }
            return self.asks(.notes(recovery), self.noting(recovery.done))
        case (.notes(let recovery), .done): return self.recovered(recovery)
        case (.tells(let recovery), .done): return self.list(recovery.arrival, recovery.state)
        case (.lists(let arrival, let state), .names(let names)):
            let theirs = names.filter { name in
                FileName.counter(of: name, prefix: self.unfinishedPrefix).map { $0 <= self.counter } ?? false
            }
            return self.remove(arrival, state, theirs[...])
        case (.removes(let arrival, let state, let names), .done):
            return self.remove(arrival, state, names.dropFirst())
        case (.saves(let bytes), .done):
            self.stored = bytes
            return self.goOn()
        default: return nil
        }
    }

    private mutating func claim(_ arrival: Arrival, _ bytes: [UInt8]) -> Step {
        self.stored = bytes
        do throws(WeirError) {
            var state =
                try DeliveryState.decode(bytes) ?? DeliveryState(life: 0, patterns: PatternEras(self.rules.pattern))
            state.life = self.life
            let next = state.encode()
            return self.asks(.claims(arrival, state, next), .saveState(next, replacing: bytes))
        } catch {
            return self.ends(.failed(error))
        }
    }

    // MARK: Its intent

    /// An intent that the checkpoint has passed is done.
    private mutating func heed(_ arrival: Arrival, _ state: DeliveryState) -> Step {
        var state = state
        if let cut = state.intent?.cut.index,
            !self.rules.heedsIntents || arrival.number.map({ $0.index >= cut }) ?? false
        {
            state.intent = nil
        }
        guard let intent = state.intent else { return self.list(arrival, state) }
        return self.finishNext(Recovery(arrival: arrival, state: state, intent: intent))
    }

    private mutating func finishNext(_ recovery: Recovery) -> Step {
        guard recovery.position < recovery.intent.files.count else {
            let done = recovery.done.map(\.path)
            return done.isEmpty ? self.recovered(recovery) : self.asks(.settles(recovery), .settle(done))
        }
        return self.asks(.finishes(recovery, .hasName), .exists(recovery.file.path))
    }

    /// A file that has its path is done; a hidden one with the right content gets its path; one that is neither is made
    /// again.
    private mutating func finish(_ recovery: Recovery, _ question: Recovery.Question, _ event: Event) -> Step? {
        let file = recovery.file
        switch (question, event) {
        case (.hasName, .exists(true)): return self.asks(.finishes(recovery, .removal), .discard(file.unfinished))
        case (.hasName, .exists(false)): return self.asks(.finishes(recovery, .content), .look(at: file.unfinished))
        case (.content, .found(Stored(bytes: file.bytes, checksum: file.checksum))):
            return self.asks(.finishes(recovery, .name), .publish(file.unfinished, as: file.path))
        case (.content, .found): return self.asks(.finishes(recovery, .hasNameNow), .exists(file.path))
        case (.removal, .done), (.hasNameNow, .exists(true)), (.name, .published(.done)),
            (.name, .published(.wasThere)):
            return self.finishNext(recovery, isDone: true)
        case (.hasNameNow, .exists(false)), (.name, .published(.missing)):
            return self.finishNext(recovery, isDone: false)
        default: return nil
        }
    }

    private mutating func finishNext(_ recovery: Recovery, isDone: Bool) -> Step {
        var recovery = recovery
        if !isDone { recovery.missing.append(recovery.file) }
        recovery.position += 1
        return self.finishNext(recovery)
    }

    /// What is to be made again is all that is left of the intent.
    private mutating func recovered(_ recovery: Recovery) -> Step {
        var recovery = recovery
        let done = recovery.done
        var delivered = Dictionary(
            recovery.state.delivered.map { ($0.partition, $0.through) }, uniquingKeysWith: { max($0, $1) })
        for file in done {
            delivered[file.partition] = max(delivered[file.partition] ?? 0, recovery.intent.cut.index)
        }
        recovery.state.delivered = delivered.map { .init(partition: $0.key, through: $0.value) }
            .sorted { $0.partition < $1.partition }
        recovery.state.intent =
            recovery.missing.isEmpty ? nil : Intent(cut: recovery.intent.cut, files: recovery.missing)
        return self.asks(
            .tells(recovery), .tell(.recovered(finished: done.count, toMakeAgain: recovery.missing.count)))
    }

    // MARK: Its leftovers

    private var unfinishedPrefix: String {
        FileName.unfinishedPrefix(self.rules.streamTag, self.rules.application, self.rules.shard)
    }

    private mutating func list(_ arrival: Arrival, _ state: DeliveryState) -> Step {
        self.asks(.lists(arrival, state), .list(self.unfinishedPrefix))
    }

    /// Unfinished files of earlier holders: what is in them is read again.
    private mutating func remove(_ arrival: Arrival, _ state: DeliveryState, _ names: ArraySlice<String>) -> Step {
        guard let name = names.first else { return self.settleIn(arrival, state) }
        return self.asks(.removes(arrival, state, names), .discard(name))
    }

    private mutating func settleIn(_ arrival: Arrival, _ state: DeliveryState) -> Step {
        var state = state
        let (number, again) = (arrival.number, state.intent)
        let beyond = (state.delivered.map(\.through) + [again?.cut.index].compactMap { $0 }).max()
        if let number {
            state.delivered.removeAll { $0.through <= number.index }
            state.patterns.forget(through: number.index)
        }
        // A checkpoint at no record lies before the record of index 0.
        let isBeyond = beyond.map { through in number.map { through > $0.index } ?? true } ?? false
        do throws(WeirError) {
            try state.patterns.change(to: self.rules.pattern, behind: isBeyond ? beyond : nil)
        } catch {
            return self.ends(.failed(error))
        }
        self.patterns = state.patterns
        self.plan = DeliveryMachine(self.rules.files, from: number, delivered: state.delivered, again: again)
        let bytes = state.encode()
        guard bytes != self.stored else { return self.goOn() }
        return self.asks(.saves(bytes), .saveState(bytes, replacing: self.stored))
    }
}
