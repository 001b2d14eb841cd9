// SPDX-License-Identifier: Apache-2.0

/// `weir-sim`: plays seeds and says what happened.
package enum SimulatorCommand {
    private static let usage = """
        weir-sim [--seed N] [--seeds FROM..TO] [--steps N] [--trace] [--broken NAME]

        Plays histories of clients, a node and its disk, each from one seed, and judges them.
          --seed N          plays this seed (default 1)
          --seeds FROM..TO  plays these seeds, both included
          --steps N         steps of each history (default 600)
          --trace           prints what happens, a line an event
          --broken NAME     plays an engine that is broken on purpose:
                            \(Breakage.allCases.map(\.rawValue).joined(separator: ", "))

        Exit 0: no rule was broken. Exit 1: one was; its seed and trace are printed. Exit 2: wrong usage.
        """

    /// Returns the exit code.
    package static func run(_ arguments: [String]) -> Int32 {
        var seeds: ClosedRange<UInt64> = 1...1
        var steps = 600
        var traces = false
        var breakage: Breakage?
        var rest = arguments[...]
        while let word = rest.popFirst() {
            switch word {
            case "--trace": traces = true
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return Self.misused(word) }
                seeds = seed...seed
            case "--seeds":
                guard let range = rest.popFirst().flatMap(Self.range) else { return Self.misused(word) }
                seeds = range
            case "--steps":
                guard let count = rest.popFirst().flatMap({ Int($0) }), count > 0 else { return Self.misused(word) }
                steps = count
            case "--broken":
                guard let name = rest.popFirst(), let found = Breakage(rawValue: name) else {
                    return Self.misused(word)
                }
                breakage = found
            case "--help", "-h":
                print(Self.usage)
                return 0
            default: return Self.misused(word)
            }
        }
        return Self.play(seeds, steps: steps, traces: traces, breakage)
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

    private static func play(
        _ seeds: ClosedRange<UInt64>, steps: Int, traces: Bool, _ breakage: Breakage?
    ) -> Int32 {
        var total = Tally()
        var violations = 0
        for seed in seeds {
            let outcome = Simulation(seed: seed, steps: steps, traces: traces, breakage: breakage).run()
            total += outcome.tally
            if traces { outcome.trace.forEach { print($0) } }
            guard let violation = outcome.violation else { continue }
            violations += 1
            if !traces {
                let again = Simulation(seed: seed, steps: steps, traces: true, breakage: breakage).run()
                again.trace.suffix(60).forEach { print($0) }
            }
            print("seed \(seed): \(violation)")
            if violations >= 5 { break }
        }
        print("seeds \(seeds.lowerBound) to \(seeds.upperBound): \(total)")
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
