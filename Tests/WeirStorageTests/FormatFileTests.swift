// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import WeirStorage

@Suite struct FormatFileTests {
    @Test func `The format file of the documentation is one that Weir writes`() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/data-folder.md"), encoding: .utf8)
        #expect(text.contains("```\n" + DataFolder.formatText(logID: 10_458_243_302_377_563_911) + "```\n"))
    }
}
