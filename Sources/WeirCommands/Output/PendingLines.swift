// SPDX-License-Identifier: Apache-2.0

/// What is to be written to stderr and is not written yet: decides what is kept while nobody reads, and how lines and
/// the moving line of figures get along. No I/O.
///
/// When the bound is reached, what comes after is dropped until everything before it was taken: a gap has one place,
/// and there it is told how many lines are missing.
struct PendingLines {
    /// Bytes that may wait, 1 MiB.
    static let bytesMax = 1 << 20

    private var text: [UInt8] = []
    /// Lines that were dropped behind `text`.
    private var dropped = 0
    /// Lines that were taken and could not be written, which nobody has been told.
    private var unwritten = 0
    /// The moving line as it should be, and whether it stands on the screen.
    private var figures = ""
    private var isShown = false
    private var isChanged = false

    private let bytesMax: Int

    init(bytesMax: Int = Self.bytesMax) {
        self.bytesMax = bytesMax
    }

    /// Whole lines, each with its newline.
    mutating func append(_ lines: String) {
        guard self.dropped == 0, self.text.count + lines.utf8.count <= self.bytesMax else {
            self.dropped += Self.lineCount(lines.utf8)
            return
        }
        self.text.append(contentsOf: lines.utf8)
    }

    /// The moving line, without a newline; an empty one takes it away. Only the newest counts.
    mutating func show(_ figures: String) {
        guard figures != self.figures else { return }
        self.figures = figures
        self.isChanged = true
    }

    var isEmpty: Bool { self.text.isEmpty && self.dropped == 0 && !self.isChanged }

    /// Everything that is to be written now; `nil` when there is nothing.
    mutating func take() -> [UInt8]? {
        guard !self.isEmpty else { return nil }
        var block: [UInt8] = []
        if self.isShown { block += "\r\u{1b}[K".utf8 }
        if self.unwritten > 0 { block += Self.gap(self.unwritten, "stderr could not be written").utf8 }
        block += self.text
        if self.dropped > 0 { block += Self.gap(self.dropped, "nobody read stderr in time").utf8 }
        block += self.figures.utf8
        self.text.removeAll(keepingCapacity: self.text.count <= 64 << 10)
        self.dropped = 0
        self.unwritten = 0
        self.isShown = !self.figures.isEmpty
        self.isChanged = false
        return block
    }

    /// The end of a block that was taken could not be written.
    mutating func lost(_ rest: some Collection<UInt8>) {
        self.unwritten += Self.lineCount(rest)
    }

    private static func gap(_ lines: Int, _ reason: String) -> String {
        "weir: \(CountText.describe(lines, "line")) \(lines == 1 ? "is" : "are") missing here: \(reason)\n"
    }

    private static func lineCount(_ bytes: some Collection<UInt8>) -> Int {
        bytes.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
    }
}
