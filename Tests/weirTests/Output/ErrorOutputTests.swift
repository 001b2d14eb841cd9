// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirCommands

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite struct PendingLinesTests {
    private func text(_ block: [UInt8]?) -> String? { block.map { String(decoding: $0, as: UTF8.self) } }

    @Test func linesComeOnceAndInOrder() {
        var pending = PendingLines()
        #expect(pending.isEmpty && pending.take() == nil)
        pending.append("one\n")
        pending.append("two\nthree\n")
        #expect(self.text(pending.take()) == "one\ntwo\nthree\n")
        #expect(pending.isEmpty && pending.take() == nil)
    }

    /// Around the bound: what is kept never exceeds it, what is dropped is counted, and there is one gap, at its place.
    @Test(arguments: 0...12)
    func whatDoesNotFitIsCountedWhereItIsMissing(bound: Int) {
        for length in 1...7 {
            var pending = PendingLines(bytesMax: bound)
            var kept = 0
            let line = String(repeating: "x", count: length - 1) + "\n"
            for _ in 0..<5 {
                pending.append(line)
                if (kept + 1) * length <= bound { kept = min(5, kept + 1) }
            }
            // Behind the gap nothing comes before it was told, even where it would fit.
            pending.append("\n")
            let fits = kept == 5 && kept * length + 1 <= bound
            let missing = (5 - kept) + (fits ? 0 : 1)
            let expected =
                String(repeating: line, count: kept) + (fits ? "\n" : "")
                + (missing == 0
                    ? ""
                    : "weir: \(missing) \(missing == 1 ? "line is" : "lines are") missing here: "
                        + "nobody read stderr in time\n")
            #expect(self.text(pending.take()) == expected)
            #expect(pending.isEmpty)
        }
    }

    @Test func whatCouldNotBeWrittenIsToldWhenSomethingCan() {
        var pending = PendingLines()
        pending.append("one\ntwo\n")
        let block = pending.take() ?? []
        pending.lost(block[2...])
        #expect(pending.isEmpty)
        pending.append("three\n")
        #expect(self.text(pending.take()) == "weir: 2 lines are missing here: stderr could not be written\nthree\n")
    }

    @Test func figuresStayBelowTheLinesAndGoAway() {
        var pending = PendingLines()
        pending.show("put 1 record")
        #expect(self.text(pending.take()) == "put 1 record")
        pending.show("put 1 record")
        #expect(pending.isEmpty)
        pending.append("weir: a message\n")
        pending.show("put 2 records")
        pending.show("put 3 records")
        #expect(self.text(pending.take()) == "\r\u{1b}[Kweir: a message\nput 3 records")
        pending.show("")
        #expect(self.text(pending.take()) == "\r\u{1b}[K")
        #expect(pending.isEmpty)
    }
}

@Suite struct ErrorOutputTests {
    @Test(.timeLimit(.minutes(1)))
    func whoeverHasSomethingToSayDoesNotWaitForWhoeverReads() {
        // As the program does: a pipe without a reader is an error that the writer handles.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let output = ErrorOutput(descriptor: ends[1], bytesMax: 1000)
        let line = String(repeating: "x", count: 99) + "\n"
        // Far more than the pipe and the queue hold, while nobody reads.
        for _ in 0..<20_000 { output.write(line) }
        output.finish(milliseconds: 1)
        // Now somebody does.
        var lines = 0
        var missing = 0
        var rest = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while lines + missing < 20_000 {
            let count = read(ends[0], &buffer, buffer.count)
            guard count > 0 else { break }
            rest += String(decoding: buffer[..<count], as: UTF8.self)
            while let end = rest.firstIndex(of: "\n") {
                let text = rest[..<end]
                if text.hasPrefix("weir: ") {
                    missing += Int(text.split(separator: " ")[1].filter { $0 != "," }) ?? 0
                } else {
                    lines += 1
                }
                rest = String(rest[rest.index(after: end)...])
            }
        }
        #expect(lines + missing == 20_000)
        #expect(missing > 0 && lines >= 10)
        output.finish(milliseconds: 10_000)
        close(ends[0])
        output.write("nobody\n")
        output.finish(milliseconds: 10_000)
    }
}
