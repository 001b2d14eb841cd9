// SPDX-License-Identifier: Apache-2.0
import WeirTestKit

/// `weir-sim`: plays seeds and says what happened.
package enum SimulatorCommand {
    private static let usage = """
        weir-sim [--seed N] [--seeds FROM..TO] [--steps N] [--trace | --brief] [--broken NAME]
        weir-sim --engine [--seed N] [--seeds FROM..TO] [--trace | --brief] [--broken NAME]
        weir-sim --consumers [--seed N] [--seeds FROM..TO] [--trace | --brief] [--broken NAME]

        Plays histories of clients, a node and its disk, each from one seed, and judges them. With --engine: histories
        of producers, long polls and subscriptions on the lanes of an engine. With --consumers:
        histories of workers that share the shards of a stream, while workers, the server and its disk fail.
          --seed N          plays this seed (default 1)
          --seeds FROM..TO  plays these seeds, both included
          --steps N         steps of each history (default 600); those of consumers last as long as they must
          --trace           prints what happens, a line an event
          --brief           prints of a history that breaks a rule its seed and the rule, without its last events
          --broken NAME     plays an engine that is broken on purpose:
                            \(Breakage.allCases.map(\.rawValue).joined(separator: ", "));
                            with --engine
                            \(EngineBreakage.allCases.map(\.rawValue).joined(separator: ", "));
                            with --consumers
                            \(ConsumerBreakage.allCases.map(\.rawValue).joined(separator: ", "))

        Exit 0: no rule was broken. Exit 1: one was; its seed and trace are printed. Exit 2: wrong usage.
        """

    private struct Order {
        var seeds: ClosedRange<UInt64> = 1...1
        var steps = 600
        var traces = false
        var isBrief = false
        var broken: String?
        var plays = Kind.node

        enum Kind {
            case node
            case engine
            case consumers
        }
    }

    /// Returns the exit code.
    package static func run(_ arguments: [String]) -> Int32 {
        var order = Order()
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--trace": order.traces = true
            case "--brief": order.isBrief = true
            case "--consumers": order.plays = .consumers
            case "--engine": order.plays = .engine
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return Self.misused(word) }
                order.seeds = seed...seed
            case "--seeds":
                guard let range = rest.popFirst().flatMap(Self.range) else { return Self.misused(word) }
                order.seeds = range
            case "--steps":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else { return Self.misused(word) }
                order.steps = count
            case "--broken":
                guard let name = rest.popFirst() else { return Self.misused(word) }
                order.broken = name
            case "--help", "-h":
                print(Self.usage)
                return 0
            default: return Self.misused(word)
            }
        }
        return switch order.plays {
        case .node: Self.playNode(order)
        case .engine: Self.playEngine(order)
        case .consumers: Self.playConsumers(order)
        }
    }

    private static func playEngine(_ order: Order) -> Int32 {
        let breakage = order.broken.flatMap { EngineBreakage(rawValue: $0) }
        guard (breakage == nil) == (order.broken == nil) else { return Self.misused("--broken") }
        var total = EngineTally()
        return Self.play(order, total: { "\(total)" }) { seed, traces in
            let outcome = EngineSimulation(seed: seed, traces: traces, breakage: breakage).run()
            return Played(violation: outcome.violation, trace: outcome.trace) { total += outcome.tally }
        }
    }

    private static func playNode(_ order: Order) -> Int32 {
        let breakage = order.broken.flatMap { Breakage(rawValue: $0) }
        guard (breakage == nil) == (order.broken == nil) else { return Self.misused("--broken") }
        var total = Tally()
        return Self.play(order, total: { "\(total)" }) { seed, traces in
            let outcome = Simulation(seed: seed, steps: order.steps, traces: traces, breakage: breakage).run()
            return Played(violation: outcome.violation, trace: outcome.trace) { total += outcome.tally }
        }
    }

    private static func playConsumers(_ order: Order) -> Int32 {
        let breakage = order.broken.flatMap { ConsumerBreakage(rawValue: $0) }
        guard (breakage == nil) == (order.broken == nil) else { return Self.misused("--broken") }
        var total = ConsumerTally()
        return Self.play(order, total: { "\(total)" }) { seed, traces in
            let outcome = ConsumerSimulation(seed: seed, traces: traces, breakage: breakage).run()
            return Played(violation: outcome.violation, trace: outcome.trace) { total += outcome.tally }
        }
    }

    private static func range(_ text: String) -> ClosedRange<UInt64>? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: true).map { UInt64($0) }
        guard parts.count == 2, let first = parts[0], let last = parts[1], first <= last else { return nil }
        return first...last
    }

    private static func misused(_ word: String) -> Int32 {
        print("weir-sim: '\(word)' is not understood, or what follows it is not\n\n\(Self.usage)")
        return 2
    }

    private struct Played {
        let violation: Violation?
        let trace: [String]
        let count: () -> Void
    }

    private static func play(
        _ order: Order, total: () -> String, _ one: (_ seed: UInt64, _ traces: Bool) -> Played
    ) -> Int32 {
        var violations = 0
        for seed in order.seeds {
            let played = one(seed, order.traces)
            played.count()
            if order.traces { played.trace.forEach { print($0) } }
            guard let violation = played.violation else { continue }
            violations += 1
            if !order.traces, !order.isBrief { one(seed, true).trace.suffix(60).forEach { print($0) } }
            print("seed \(seed): \(violation)")
            if violations >= 5 { break }
        }
        print("seeds \(order.seeds.lowerBound) to \(order.seeds.upperBound): \(total())")
        print(violations == 0 ? "no rule was broken" : "\(violations) seeds broke a rule")
        return violations == 0 ? 0 : 1
    }
}

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension SimulatorCommand {
    package static func main() -> Never { exit(Self.run(Array(CommandLine.arguments.dropFirst()))) }
}
