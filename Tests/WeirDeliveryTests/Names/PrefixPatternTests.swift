// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel

@Suite struct PrefixPatternTests {
    /// 28 November 2026, 09:05:03 UTC.
    private static let millis: Int64 = 1_795_856_703_000

    @Test(arguments: [
        ("", 0, "2026/11/28/09/"), ("logs/", 0, "logs/2026/11/28/09/"), ("logs-", 330, "logs-2026/11/28/14/"),
        ("year=!{timestamp:yyyy}/", 0, "year=2026/"), ("!{timestamp:yyyy/MM/dd/HH}", -600, "2026/11/27/23"),
        ("a!b{c}/!{timestamp:mm}/", 0, "a!b{c}/05/"), ("!!{timestamp:ss}", 0, "!03"),
    ])
    func `A prefix is filled with the time, which stands behind it when it is not in it`(
        _ text: String, _ minutes: Int, _ expected: String
    ) throws {
        #expect(try PrefixPattern(text, offsetMinutes: minutes).partition(millis: Self.millis).text == expected)
    }

    @Test func `Random letters are drawn for each file and not for each partition`() throws {
        let pattern = try PrefixPattern("!{firehose:random-string}/!{timestamp:yyyy}/")
        let partition = pattern.partition(millis: Self.millis).text
        #expect(partition == pattern.partition(millis: Self.millis).text)
        var state: UInt64 = 1
        let drawn = (0..<100).map { _ in
            PrefixPattern.filled(partition) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return state
            }
        }
        #expect(Set(drawn).count == 100)
        for text in drawn {
            let letters = text.prefix { $0 != "/" }
            #expect(letters.count == 11 && letters.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber) })
            #expect(text.hasSuffix("/2026/"))
        }
    }

    @Test(arguments: [
        ("/a", "slash"), ("a//b", "slash"), (".a/", "dot"), ("a/../", "dot"), ("!{timestamp:yyyy", "does not end"),
        ("!{timestamp}", "namespace:value"), ("!{s3:x}", "allowed"), ("!{firehose:error-output-type}", "allowed"),
        ("a\nb/", "control"), ("!{timestamp:yyyy'\u{1}'}/", "control"),
    ])
    func `A prefix that would leave the folder, hide files or mean nothing is refused`(_ text: String, _ word: String) {
        #expect {
            try PrefixPattern(text)
        } throws: {
            ($0 as? WeirError)?.code == .invalidArgument && "\($0)".contains(word)
        }
    }

    @Test func `Lengths are allowed up to their limits`() throws {
        let time = "!{timestamp:yyyy}"
        func folders(_ bytes: Int) -> String {
            // Four bytes of the year, then folders of at most 100.
            let rest = bytes - 4
            return time + (0..<rest).map { $0 % 100 == 0 ? "/" : "a" }.joined()
        }
        for bytes in [5, 511, 512] { _ = try PrefixPattern(folders(bytes)) }
        #expect(throws: WeirError.self) { try PrefixPattern(folders(513)) }
        // The name of a file and what stands before it in the same folder.
        for (before, name) in [(4, 251), (155, 100)] as [(Int, Int)] {
            let text = time + String(repeating: "a", count: before - 4)
            _ = try PrefixPattern(text, fileNameBytes: name)
            #expect(throws: WeirError.self) { try PrefixPattern(text, fileNameBytes: name + 1) }
        }
        #expect(throws: WeirError.self) { try PrefixPattern(String(repeating: "a/", count: 513)) }
    }

    @Test(arguments: [
        ("UTC", 0), ("Z", 0), ("+00:00", 0), ("-00:00", 0), ("+02:00", 120), ("-09:30", -570), ("+18:00", 1080),
        ("-18:00", -1080),
    ])
    func `Time zones are UTC or a distance from it`(_ text: String, _ minutes: Int) throws {
        #expect(try PrefixPattern.offset(text) == minutes)
    }

    @Test(arguments: [
        "", "utc", "+2:00", "+02:60", "+18:01", "-18:01", "+99:00", "02:00", "Europe/Berlin", "+0a:00", "++2:00",
    ])
    func `Other time zones are refused`(_ text: String) {
        #expect(throws: WeirError.self) { try PrefixPattern.offset(text) }
    }

    @Test func `After a change of the pattern records keep the one that they were delivered by`() throws {
        let patterns = try ["a", "b", "c"].map { try PrefixPattern("\($0)/!{timestamp:yyyy}/") }
        var eras = PatternEras(patterns[0])
        try eras.change(to: patterns[0], behind: 9)
        #expect(eras.earlier.isEmpty)
        try eras.change(to: patterns[1], behind: 0)
        #expect(eras.pattern(of: 0) == patterns[0] && eras.pattern(of: 1) == patterns[1])
        #expect(eras.end(of: 0) == 0 && eras.end(of: 1) == .max)
        try eras.change(to: patterns[2], behind: 9)
        #expect((0...10).map { eras.pattern(of: $0).text.first } == Array("abbbbbbbbbc"))
        #expect(eras.end(of: 1) == 9 && eras.end(of: 9) == 9 && eras.end(of: 10) == .max)
        try eras.change(to: patterns[0], behind: nil)
        #expect(eras.pattern(of: 10) == patterns[0] && eras.pattern(of: 9) == patterns[1])
        eras.forget(through: 0)
        #expect(eras.earlier.count == 1 && eras.pattern(of: 1) == patterns[1])
        eras.forget(through: 9)
        #expect(eras.earlier.isEmpty)
        for change in 0..<PatternEras.erasMax {
            try eras.change(to: patterns[1 + change % 2], behind: UInt64(20 + change))
        }
        #expect {
            try eras.change(to: patterns[1 + PatternEras.erasMax % 2], behind: 100)
        } throws: {
            ($0 as? WeirError)?.code == .limitExceeded
        }
    }

    @Test func `The longest name of a file is as long as said`() throws {
        let stream = try StreamName(String(repeating: "s", count: FileName.streamCharactersMax))
        let last = SequenceNumber(
            shardCreationSecond: 0, shard: ShardNumber(.max), index: .max >> 1, arrivalSecond: 0)
        for compression in [Compression.zstd(level: 3), .gzip(level: 6), .lz4(level: 1), .none] {
            let name = FileName.of(stream, first: last, last: last, compression, copy: FileName.copiesMax)
            #expect(try name.utf8.count <= FileName.longest(stream, compression))
            #expect(try FileName.longest(stream, compression) <= 255)
        }
        let longer = try StreamName(String(repeating: "s", count: FileName.streamCharactersMax + 1))
        #expect(throws: WeirError.self) { try FileName.longest(longer, .none) }
    }

    @Test func `An unfinished file says whose it is`() throws {
        let application = try ApplicationName("a-1")
        let prefix = FileName.unfinishedPrefix("7.a", application, ShardNumber(3))
        let name = FileName.unfinished("7.a", application, ShardNumber(3), counter: 12, number: 4, life: .max)
        #expect(FileName.counter(of: name, prefix: prefix) == 12)
        let other = FileName.unfinishedPrefix("7.a", try ApplicationName("a"), ShardNumber(3))
        #expect(FileName.counter(of: name, prefix: other) == nil)
        for text in ["", prefix, prefix + "1", prefix + "1-2", prefix + "x-1-1", prefix + "1-1-x", prefix + "1-1-1-1"] {
            #expect(FileName.counter(of: text, prefix: prefix) == nil, "\(text)")
        }
    }
}
