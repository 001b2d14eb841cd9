// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirConsumer
import WeirDelivery
import WeirModel

/// What follows from each event in each state: all of them, so that nothing is left to chance.
@Suite struct DeliveryProtocolTests {
    private static let file = IntendedFile(
        partition: "a/", path: "a/f", unfinished: "u", bytes: 9, checksum: 7, first: Samples.number(1),
        last: Samples.number(3), records: 2)
    private static let leftover = "7.a-deliver-shardId-000000000003-1-ab-1"

    private static func rules() throws -> DeliveryProtocol.Rules {
        DeliveryProtocol.Rules(
            stream: try StreamName("s"), streamTag: "7.a", application: try ApplicationName("deliver"),
            shard: Samples.shard, pattern: try PrefixPattern("a/!{timestamp:ss}/"), compression: .none,
            files: DeliveryMachine.Settings(fileBytes: 100, measure: .input, fileNanos: 1000))
    }

    private static func state(intent: Bool) throws -> [UInt8] {
        DeliveryState(
            life: 1, patterns: PatternEras(try Self.rules().pattern),
            intent: intent ? Intent(cut: Samples.number(3), files: [Self.file]) : nil
        ).encode()
    }

    /// Names of events, with one of each kind.
    private static let events: [(name: String, event: DeliveryProtocol.Event)] = [
        ("done", .done), ("displaced", .displaced(WeirError(.invalidArgument, "it is another's"))),
        ("exists", .exists(true)), ("missing", .exists(false)), ("nothing", .found(nil)),
        ("content", .found(Stored(bytes: 9, checksum: 7))), ("other", .found(Stored(bytes: 9, checksum: 8))),
        ("named", .published(.done)), ("wasThere", .published(.wasThere)), ("gone", .published(.missing)),
        ("none", .names([])), ("leftover", .names([Self.leftover])), ("noFile", .sealed(nil)),
        ("sealed", .sealed(.init(unfinished: "v", stored: Stored(bytes: 5, checksum: 5), draw: 1))),
        ("state", .state([])), ("damaged", .state([9])),
    ]

    private static func event(_ name: String) throws -> DeliveryProtocol.Event {
        if name == "intent" { return .state(try Self.state(intent: true)) }
        return try #require(Self.events.first { $0.name == name }).event
    }

    private static func text(_ step: DeliveryProtocol.Step) -> String {
        switch step {
        case .done: "done"
        case .over(.stopped): "stopped"
        case .over(.beginsAnew): "anew"
        case .over(.failed): "failed"
        case .perform(let effect): "\(effect)".prefix { $0 != "(" }.description
        }
    }

    private enum Input {
        case goal(DeliveryProtocol.Goal)
        case event(String)
        /// A record of ten or a hundred bytes; a hundred are due.
        case record(UInt64, DeliveryMachine.Slot, bytes: UInt64)
        case pass(UInt64)
    }

    private static func machine(_ inputs: [Input]) throws -> DeliveryProtocol {
        var machine = DeliveryProtocol(try Self.rules())
        for input in inputs {
            switch input {
            case .goal(let goal): _ = machine.begin(goal)
            case .event(let name): _ = machine.handle(try Self.event(name))
            case .record(let index, let slot, let bytes):
                _ = machine.plan.take(
                    slot, first: Samples.number(index), last: Samples.number(index), records: 1, bytes: bytes, now: 0)
            case .pass(let index): machine.plan.pass(Samples.number(index))
            }
        }
        return machine
    }

    private static let takeOver = Input.goal(.takeOver(from: .trimHorizon, counter: 2, life: 5))
    private static func after(_ inputs: [Input], _ names: String...) -> [Input] { inputs + names.map { .event($0) } }

    /// Each state by what leads there, and what follows from the events that answer what was asked for last. What does
    /// not stand here begins anew.
    private static var table: [(name: String, inputs: [Input], answers: [String: String])] {
        let fresh = Self.after([Self.takeOver], "state", "done", "none")
        let claimed = Self.after([Self.takeOver], "intent", "done")
        let content = Self.after(claimed, "missing")
        let told = Self.after(claimed, "exists", "done", "done")
        let (a, b) = (DeliveryMachine.Slot.partition("a/"), DeliveryMachine.Slot.partition("b/"))
        let due = fresh + [.record(0, a, bytes: 10), .record(1, b, bytes: 100), .goal(.due(now: 0))]
        let announced = Self.after(due, "sealed", "missing", "done")
        let alone = Self.after(
            fresh + [.record(0, b, bytes: 100), .goal(.due(now: 0))], "sealed", "missing", "done", "done", "named")
        let again = Self.after(claimed, "missing", "nothing", "missing", "done", "none")
        return [
            ("reads", [Self.takeOver], ["state": "saveState", "damaged": "failed"]),
            ("claims", Self.after([Self.takeOver], "intent"), ["done": "exists", "displaced": "readState"]),
            ("has name", claimed, ["exists": "discard", "missing": "look"]),
            ("removal", Self.after(claimed, "exists"), ["done": "settle"]),
            ("content", content, ["content": "publish", "nothing": "exists", "other": "exists"]),
            ("has name now", Self.after(content, "nothing"), ["exists": "settle", "missing": "tell"]),
            ("name", Self.after(content, "content"), ["named": "settle", "wasThere": "settle", "gone": "tell"]),
            ("settles", Self.after(claimed, "exists", "done"), ["done": "tell"]),
            ("tells", told, ["done": "list"]),
            ("lists", Self.after(told, "done"), ["none": "saveState", "leftover": "discard"]),
            ("removes", Self.after(told, "done", "leftover"), ["done": "saveState"]),
            ("saves", Self.after(told, "done", "none"), ["done": "done"]),
            ("new", [], [:]), ("ready", fresh, [:]),
            ("seals", due, ["sealed": "exists"]),
            ("seeks", Self.after(due, "sealed"), ["missing": "settleUnfinished", "exists": "exists"]),
            ("settles unfinished", Self.after(due, "sealed", "missing"), ["done": "saveState"]),
            ("announces", announced, ["done": "publish"]),
            ("publishes", Self.after(announced, "done"), ["named": "settle", "wasThere": "settle"]),
            ("settles names", Self.after(announced, "done", "named"), ["done": "saveState"]),
            ("forgets", Self.after(announced, "done", "named", "done"), ["done": "tell"]),
            ("tells names", Self.after(announced, "done", "named", "done", "done"), ["done": "done"]),
            ("settles names of all", alone, ["done": "checkpoint"]),
            ("moves", Self.after(alone, "done"), ["done": "tell"]),
            ("settles idle", fresh + [.pass(4), .goal(.settle)], ["done": "done"]),
            ("settles end", fresh + [.goal(.endShard)], ["done": "checkpointEnd"]),
            ("ends shard", Self.after(fresh + [.goal(.endShard)], "done"), ["done": "done"]),
            ("leaves", again + [.record(1, .again(0), bytes: 1), .goal(.finish)], ["done": "done"]),
        ]
    }

    @Test func `Each event in each state leads where the table says, or begins anew`() throws {
        for (state, inputs, answers) in Self.table {
            for (name, event) in Self.events {
                var machine = try Self.machine(inputs)
                #expect(machine.end == nil, "\(state) is over before")
                let expected = answers[name] ?? (name == "displaced" ? "failed" : "anew")
                #expect(Self.text(machine.handle(event)) == expected, "\(name) at \(state)")
            }
        }
    }

    @Test func `A goal is begun at rest only, and taking over once`() throws {
        let goals: [DeliveryProtocol.Goal] = [
            .takeOver(from: .trimHorizon, counter: 3, life: 6), .due(now: 0), .makeAgain, .settle, .finish, .endShard,
        ]
        for (state, inputs, _) in Self.table {
            for goal in goals {
                var machine = try Self.machine(inputs)
                let isBegun: Bool
                switch (state, goal) {
                case ("new", .takeOver): isBegun = true
                case ("ready", .takeOver): isBegun = false
                default: isBegun = state == "ready"
                }
                #expect((Self.text(machine.begin(goal)) != "anew") == isBegun, "\(goal) at \(state)")
            }
        }
    }

    @Test func `What is over stays over, for the first reason`() throws {
        let ends: [DeliveryProtocol.End] = [.stopped, .beginsAnew("b"), .failed(WeirError(.leaseLost, "c"))]
        for (state, inputs, _) in Self.table {
            for end in ends {
                var machine = try Self.machine(inputs)
                #expect(machine.ends(end) == .over(end), "\(state)")
                for (name, event) in Self.events { #expect(machine.handle(event) == .over(end), "\(name) at \(state)") }
                #expect(machine.begin(.finish) == .over(end) && machine.ends(.stopped) == .over(end))
            }
        }
    }

    @Test func `A state that others change a thousand times is no lease of ours`() throws {
        var machine = try Self.machine([Self.takeOver])
        var count = 0
        while machine.end == nil {
            #expect(count < 2000)
            _ = machine.handle(.state([]))
            _ = machine.handle(try Self.event("displaced"))
            count += 1
        }
        #expect(count == 1000)
    }

    @Test func `The ninety-ninth name is tried, and no further one`() throws {
        var machine = try Self.machine(try #require(Self.table.first { $0.name == "seeks" }).inputs)
        for copy in 2...FileName.copiesMax {
            guard case .perform(.exists(let path)) = machine.handle(.exists(true)) else {
                Issue.record("no name \(copy)")
                return
            }
            #expect(path.hasSuffix("-\(copy)"))
        }
        #expect(Self.text(machine.handle(.exists(true))) == "failed")
    }

    // MARK: What is refused

    @Test func `What may work later is tried again with longer pauses, while somebody wants it`() {
        let never = WeirError.Verdict(maybeStored: false, retry: .never)
        let refusals: [(Attempts.Refusal, String)] = [
            (.destination(DestinationError(.later, "full")), "full"),
            (.server(WeirError(.unavailable, "away")), "away"), (.other("odd"), "odd"),
        ]
        for (refusal, reason) in refusals {
            var attempts = Attempts()
            var pauses: [UInt64] = []
            for _ in 0..<8 {
                #expect(attempts.hasWaited == !pauses.isEmpty)
                guard case .again(let nanos, reason) = attempts.failed(refusal, wanted: .still) else {
                    Issue.record("\(refusal) is not tried again")
                    return
                }
                pauses.append(nanos)
            }
            #expect(pauses.map { $0 / 1_000_000 } == [50, 100, 200, 400, 800, 1000, 1000, 1000])
            #expect(attempts.failed(refusal, wanted: .ending) == .ends(.stopped, leaves: reason))
            #expect(attempts.failed(refusal, wanted: .not) == .ends(.stopped))
        }
        let lost = WeirError(.leaseLost, "lost")
        let wrong = WeirError(.unavailable, "wrong", verdict: never)
        for wanted in [.still, .ending, .not] as [Attempts.Wanted] {
            var attempts = Attempts()
            #expect(attempts.failed(.server(lost), wanted: wanted) == .ends(.failed(lost)))
            #expect(attempts.failed(.server(wrong), wanted: wanted) == .ends(.failed(wrong)))
            let gone = DestinationError(.lost, "gone")
            #expect(attempts.failed(.destination(gone), wanted: wanted) == .ends(.beginsAnew("gone")))
        }
    }
}
