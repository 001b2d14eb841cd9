// SPDX-License-Identifier: Apache-2.0

/// What happened, a line an event. Equal runs give equal lines.
package struct Trace: Sendable {
    package private(set) var lines: [String] = []
    private let isOn: Bool

    init(isOn: Bool) { self.isOn = isOn }

    mutating func note(_ line: @autoclosure () -> String) {
        if self.isOn { self.lines.append(line()) }
    }
}
