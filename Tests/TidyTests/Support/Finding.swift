// SPDX-License-Identifier: Apache-2.0
import Testing

/// Something that a gate refuses: where, what, and what to do about it.
struct Finding: Hashable, Comparable, CustomStringConvertible {
    let path: String
    /// From 1; 0 when it is about the whole file.
    let line: Int
    let message: String

    init(_ path: String, line: Int = 0, _ message: String) {
        self.path = path
        self.line = line
        self.message = message
    }

    var description: String {
        self.line > 0 ? "\(self.path):\(self.line): \(self.message)" : "\(self.path): \(self.message)"
    }

    static func < (left: Self, right: Self) -> Bool {
        (left.path, left.line, left.message) < (right.path, right.line, right.message)
    }
}

/// Fails with one line a finding.
func expectNone(_ findings: [Finding], sourceLocation: SourceLocation = #_sourceLocation) {
    guard !findings.isEmpty else { return }
    let lines = findings.sorted().map { "  \($0)" }.joined(separator: "\n")
    Issue.record("\(findings.count) to put right:\n\(lines)", sourceLocation: sourceLocation)
}

/// Fails unless the gate bit exactly here, each time with these words: a gate that never bites is no gate.
func expectBites(
    _ findings: [Finding], at places: [String], saying words: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    let found = findings.sorted().map { $0.line > 0 ? "\($0.path):\($0.line)" : $0.path }
    #expect(found == places.sorted(), "\(findings)", sourceLocation: sourceLocation)
    for finding in findings {
        #expect(finding.message.contains(words), "\(finding)", sourceLocation: sourceLocation)
    }
}
