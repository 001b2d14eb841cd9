// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirCommands

@Suite struct LineSplitterTests {
    /// The lines of `text`, fed in chunks of `size` bytes; `refuseEvery`: so many visits pass between two refusals.
    private func lines(_ text: [UInt8], size: Int, bytesMax: Int = 1000, refuseEvery: Int = .max) -> [String] {
        var splitter = LineSplitter(bytesMax: bytesMax)
        var lines: [String] = []
        var visits = 0
        func visit(_ line: LineSplitter.Line) -> Bool {
            visits += 1
            if visits % refuseEvery == 0 { return false }
            lines.append(
                String(decoding: line.bytes, as: UTF8.self) + (line.isTooLong ? "...\(line.length)" : ""))
            return true
        }
        var offset = 0
        while offset < text.count {
            let chunk = Array(text[offset..<min(text.count, offset + size)])
            chunk.withUnsafeBytes { bytes in while !splitter.split(bytes, visit) {} }
            offset += size
        }
        while !splitter.finish(visit) {}
        return lines
    }

    static let texts: [(text: String, lines: [String])] = [
        ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\nb", ["a", "b"]), ("a\n\n\nb\n", ["a", "", "", "b"]),
        ("a\r\nb\r", ["a\r", "b\r"]), ("\n\na", ["", "", "a"]),
        ("longer than a chunk\nx\n", ["longer than a chunk", "x"]),
        ("é\u{0}\nü", ["é\u{0}", "ü"]),
    ]

    @Test(arguments: Self.texts, [1, 2, 3, 5, 100])
    func findsTheSameLinesWhateverTheChunks(_ example: (text: String, lines: [String]), size: Int) {
        #expect(self.lines(Array(example.text.utf8), size: size) == example.lines)
    }

    @Test(arguments: Self.texts, [1, 3, 100])
    func givesALineAgainThatWasNotTaken(_ example: (text: String, lines: [String]), size: Int) {
        for every in 2...4 {
            #expect(self.lines(Array(example.text.utf8), size: size, refuseEvery: every) == example.lines)
        }
    }

    @Test(arguments: [1, 4, 100])
    func tellsTheLengthOfALineThatIsTooLong(size: Int) {
        let text = "short\n0123456789abcdef\n12345678\nlast line too long"
        #expect(
            self.lines(Array(text.utf8), size: size, bytesMax: 8)
                == ["short", "01234567...16", "12345678", "last lin...18"])
    }

    @Test func findsTheLinesOfRandomText() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(state: seed)
        for _ in 0..<300 {
            let text = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                random.next() % 7 == 0 ? UInt8(10) : UInt8(97 + random.next() % 3)
            }
            var expected = text.split(separator: 10, omittingEmptySubsequences: false).map {
                String(decoding: $0, as: UTF8.self)
            }
            if expected.last == "" { expected.removeLast() }
            let size = Int.random(in: 1...40, using: &random)
            #expect(self.lines(text, size: size, refuseEvery: Int.random(in: 2...9, using: &random)) == expected)
        }
    }
}
