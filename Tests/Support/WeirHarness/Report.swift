// SPDX-License-Identifier: Apache-2.0

/// What a run did and what was wrong, for people and for tests.
package struct Report: Sendable, CustomStringConvertible {
    package let name: String
    package let seed: UInt64?
    package private(set) var figures: [(name: String, value: String)] = []
    package var violations = Violations()

    package init(_ name: String, seed: UInt64? = nil) {
        self.name = name
        self.seed = seed
    }

    package mutating func add(_ name: String, _ value: some CustomStringConvertible) {
        self.figures.append((name, value.description))
    }

    package var isGood: Bool { self.violations.isEmpty }

    package var description: String {
        let seed = self.seed.map { ", seed \($0)" } ?? ""
        var text = "\(self.name)\(seed): "
        text += self.figures.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
        if !self.isGood {
            text += "\n\(self.violations.count) violations, the first of them:\n"
            text += self.violations.first.map { "  " + $0 }.joined(separator: "\n")
        }
        return text
    }
}

/// The values in the middle and at the top of what was measured.
package struct Spread: Sendable {
    private var values: [Double] = []

    package init() {}

    package mutating func add(_ value: Double) { self.values.append(value) }

    package var p50: Double { self.values.isEmpty ? 0 : self.values.sorted()[self.values.count / 2] }
    package var max: Double { self.values.max() ?? 0 }

    package var millisText: String { "p50 \(Int(self.p50.rounded())) ms, max \(Int(self.max.rounded())) ms" }
}
