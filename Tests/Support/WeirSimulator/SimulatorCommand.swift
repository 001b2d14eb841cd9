// SPDX-License-Identifier: Apache-2.0
import WeirTestKit

/// `weir-sim`: plays seeds and says what happened.
package enum SimulatorCommand {
    private static let usage = """
        weir-sim [--seed N | --seeds FROM..TO] [--mix MIX] [--steps N] [--trace | --brief] [--broken NAME]

        Plays histories of a node with its disk and its clocks, and of those who use and trouble it, each from one seed,
        and judges them.
          --seed N          plays this seed (default 1)
          --seeds FROM..TO  plays these seeds, both included
          --mix MIX         who acts; without it each seed decides
                            disk     a drill of the log, on a disk and with clocks that do everything these do
                            load     producers that keep the order of their keys, long polls and subscriptions
                            workers  workers that share the shards of a stream
                            all      all of them in one history
          --steps N         steps of a drill that acts alone (default 150); other histories last as long as they must
          --trace           prints what happens, a line an event
          --brief           prints of a history that breaks a rule its seed and the rule, without its last events
          --broken NAME     plays a node that is broken on purpose; without --mix, where that is found soonest:
        \(Self.breakages)

        Examples:
          weir-sim --seeds 1..1000                 a thousand histories of all kinds
          weir-sim --seed 42 --mix all --trace     what happens in one
          weir-sim --seeds 1..100 --broken answersTooEarly

        Exit 0: no rule was broken. Exit 1: one was; its seed and trace are printed. Exit 2: wrong usage.
        """

    private static var breakages: String {
        Mix.allCases.compactMap { mix in
            let names = Breakage.allCases.filter { $0.mix == mix }.map(\.rawValue)
            guard !names.isEmpty else { return nil }
            return names.map { "                    \(mix.rawValue): \($0)" }.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    private struct Order {
        var seeds: ClosedRange<UInt64> = 1...1
        var mix: Mix?
        var steps = 150
        var traces = false
        var isBrief = false
        var breakage: Breakage?

        func play(_ seed: UInt64, traces: Bool) -> Simulation.Outcome {
            Simulation(
                seed: seed, mix: self.mix ?? self.breakage?.mix, steps: self.steps, traces: traces,
                breakage: self.breakage
            ).run()
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
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return Self.misused(word) }
                order.seeds = seed...seed
            case "--seeds":
                guard let range = rest.popFirst().flatMap(Self.range) else { return Self.misused(word) }
                order.seeds = range
            case "--mix":
                guard let mix = rest.popFirst().flatMap({ Mix(rawValue: $0) }) else { return Self.misused(word) }
                order.mix = mix
            case "--steps":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else { return Self.misused(word) }
                order.steps = count
            case "--broken":
                guard let breakage = rest.popFirst().flatMap({ Breakage(rawValue: $0) }) else {
                    return Self.misused(word)
                }
                order.breakage = breakage
            case "--help", "-h":
                print(Self.usage)
                return 0
            default: return Self.misused(word)
            }
        }
        return Self.play(order)
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

    private static func play(_ order: Order) -> Int32 {
        var total = Tally()
        var violations = 0
        for seed in order.seeds {
            let outcome = order.play(seed, traces: order.traces)
            total += outcome.tally
            if order.traces { outcome.trace.forEach { print($0) } }
            guard let violation = outcome.violation else { continue }
            violations += 1
            if !order.traces, !order.isBrief { order.play(seed, traces: true).trace.suffix(60).forEach { print($0) } }
            print("seed \(seed): \(violation)")
            if violations >= 5 { break }
        }
        if !order.isBrief { print(total.details) }
        print("seeds \(order.seeds.lowerBound) to \(order.seeds.upperBound): \(total)")
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
