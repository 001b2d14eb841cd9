// SPDX-License-Identifier: Apache-2.0
import Logging
import Testing

@testable import WeirCommands

@Suite struct LineLogHandlerTests {
    private func line(_ message: String, _ own: Logger.Metadata, _ event: Logger.Metadata?) -> String {
        LineLogHandler.line(
            LogEvent(
                level: .notice, message: "\(message)", error: nil, metadata: event, source: "x", file: "f",
                function: "f", line: 1),
            own, nowMillis: 1_700_000_000_000)
    }

    @Test func aLineHasTimeLevelMessageAndFields() {
        #expect(
            self.line("closed", ["b": "2", "a": "1"], ["b": "two words", "c": ""])
                == "2023-11-14T22:13:20.000Z notice closed a=1 b=\"two words\" c=\"\"\n")
    }

    @Test func whatOthersSentStaysInItsLine() {
        #expect(
            self.line("name\nforged", [:], ["client": "x\u{1b}[2J"])
                == "2023-11-14T22:13:20.000Z notice name\\nforged client=x\\x1b[2J\n")
    }
}
