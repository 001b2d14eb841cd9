// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirCommands

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("0s", 0), ("500ms", 500), ("30s", 30_000), ("10m", 600_000), ("24h", 86_400_000), ("7d", 604_800_000),
            ("106751991167d", 9_223_372_036_828_800_000),
        ] as [(String, Int64)])
    func readsANumberAndAUnit(text: String, millis: Int64) throws {
        #expect(try DurationText.parse(text) == millis)
    }

    @Test(arguments: ["", "10", "h", "-5s", "1.5h", "10 s", "5parsec", "10S", "106751991168d", "٣s"])
    func refusesOtherTexts(text: String) {
        #expect(throws: Failure.self) { try DurationText.parse(text) }
    }

    @Test func namesTheRange() {
        #expect(throws: Failure(.usage, "30m is not allowed: 1h to 8760h")) {
            try DurationText.parse("30m", in: Limits.retentionMillis)
        }
    }

    @Test(arguments: ["0s", "1ms", "1500ms", "90s", "10m", "36h", "8760h"])
    func describesWhatItReads(text: String) throws {
        #expect(DurationText.describe(try DurationText.parse(text)) == text)
    }
}

@Suite struct SizeTextTests {
    @Test(
        arguments: [
            ("0", 0), ("1234", 1234), ("7B", 7), ("1KiB", 1024), ("2MiB", 2_097_152), ("8GiB", 8_589_934_592),
            ("1TiB", 1_099_511_627_776), ("1KB", 1000), ("3MB", 3_000_000), ("2gb", 2_000_000_000), ("5mib", 5_242_880),
        ] as [(String, Int64)])
    func readsANumberAndAUnit(text: String, bytes: Int64) throws {
        #expect(try SizeText.parse(text) == bytes)
    }

    @Test(arguments: ["", "MiB", "1.5GiB", "-1", "8G", "8 GiB", "9999999TiB"])
    func refusesOtherTexts(text: String) {
        #expect(throws: Failure.self) { try SizeText.parse(text) }
    }

    @Test func namesTheRange() {
        #expect(throws: Failure(.usage, "20MiB is not allowed: 1MiB to 10MiB")) { try Arguments.recordBytes("20MiB") }
    }

    @Test(arguments: ["0", "1", "1023", "1KiB", "1536KiB", "64MiB", "20GiB", "3TiB"])
    func describesWhatItReads(text: String) throws {
        #expect(SizeText.describe(try SizeText.parse(text)) == text)
    }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2_370_789, "2.3 MiB")] as [(Int64, String)])
    func roundsForPeople(bytes: Int64, text: String) {
        #expect(SizeText.rounded(bytes) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")] as [(Int64, String)])
    func countsHaveCommas(value: Int64, text: String) {
        #expect(CountText.describe(value) == text)
    }
}

@Suite struct TimeTextTests {
    static let now: Int64 = 1_800_000_000_000

    @Test(
        arguments: [
            ("1000000000", 1_000_000_000_000), ("1700000000", 1_700_000_000_000), ("1700000000.5", 1_700_000_000_500),
            ("1700000000.123456789", 1_700_000_000_123), ("1700000000123", 1_700_000_000_123),
            ("99999999999", 99_999_999_999_000), ("100000000000", 100_000_000_000),
            ("99999999999999", 99_999_999_999_999), ("1970-01-01T00:00:00Z", 0), ("1970-01-01T01:00:00+01:00", 0),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000), ("2023-11-14T22:13:20.25Z", 1_700_000_000_250),
            ("2023-11-15t00:13:20+02:00", 1_700_000_000_000), ("2023-11-14 16:43:20-05:30", 1_700_000_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] as [(String, Int64)])
    func readsTimes(text: String, millis: Int64) throws {
        let point = try TimeText.parse(text)
        #expect(point == .at(millis))
        // The server's clock has no say.
        #expect(point.millis(serverMillis: 0) == millis && point.millis(serverMillis: Self.now) == millis)
    }

    @Test(
        arguments: [
            ("10m", 600_000), ("0s", 0), ("now", 0), ("NOW", 0), ("2d", 172_800_000), ("1ms", 1),
            ("1800000000s", now), ("1800000001s", now), ("106751991167d", now),
        ] as [(String, Int64)])
    func readsHowLongAgoByTheServersClock(text: String, before: Int64) throws {
        let point = try TimeText.parse(text)
        #expect(point.millis(serverMillis: Self.now) == Self.now - before)
        // On a server that is ten minutes behind, all is ten minutes earlier, and nothing is before 1970.
        #expect(point.millis(serverMillis: Self.now - 600_000) == max(0, Self.now - 600_000 - before))
    }

    /// A number that cannot be meant as a time, and what the sentence says of it.
    @Test(
        arguments: [
            ("0", "has no unit"), ("5", "5s, 5m or 5h"), ("10", "10s, 10m or 10h"), ("1700", "has no unit"),
            ("1.5", "has no unit"), ("999999999", "at least 1000000000"), ("999999999.9", "has no unit"),
            ("100000000000000", "microseconds"), ("1700000000123456", "microseconds"),
            ("1700000000123456789", "microseconds"), ("99999999999999999999", "microseconds"),
            ("1969-12-31T23:59:59.999Z", "times begin with 1970"), ("1970-01-01T00:30:00+01:00", "begin with 1970"),
        ])
    func saysWhatIsWrongWithANumber(text: String, sentence: String) {
        let parses: [(String) throws -> Void] = [
            { _ = try TimeText.parse($0) }, { _ = try ReadPosition.parseFrom($0) },
            { _ = try ReadPosition.parseTo($0) },
        ]
        for parse in parses {
            let failure = #expect(throws: Failure.self) { try parse(text) }
            #expect(failure?.description.contains(sentence) == true, "\(failure?.description ?? "")")
        }
    }

    @Test(arguments: [
        "", "yesterday", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z", "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2023-11-14T24:00:00Z", "2023-11-14T22:60:00Z", "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20+0200", "2023-11-14T22:13:20+24:00", "1700000000.", "1700000000.1x", "-5",
        "1700000000123.5", "2023-11-14T22:13:2OZ",
    ])
    func refusesOtherTexts(text: String) {
        #expect(throws: Failure.self) { try TimeText.parse(text) }
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1_700_000_000_000, "2023-11-14T22:13:20Z"),
            (1_700_000_000_050, "2023-11-14T22:13:20.050Z"), (-1, "1969-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func describesTimes(millis: Int64, text: String) {
        #expect(TimeText.describe(millis) == text)
    }

    @Test func readsEveryDayThatItDescribes() throws {
        var day: Int64 = 0
        while day < 60_000 {
            let millis = day * 86_400_000 + 12_345_678
            #expect(try TimeText.parse(TimeText.describe(millis)) == .at(millis))
            day += 1
        }
    }
}

@Suite struct ReadPositionTests {
    static let sequence = SequenceNumber(
        shardCreationSecond: 1_700_000_000, shard: ShardNumber(3), index: 42, arrivalSecond: 1_700_000_100)

    @Test(
        arguments: [
            ("trim-horizon", .trimHorizon), ("TRIM_HORIZON", .trimHorizon), ("Trim_Horizon", .trimHorizon),
            ("earliest", .trimHorizon), ("EARLIEST", .trimHorizon), ("latest", .latest), ("LATEST", .latest),
            ("now", .latest), ("Now", .latest), (sequence.description, .sequence(sequence)),
            ("1700000000", .time(.at(1_700_000_000_000))), ("1970-01-01T00:00:00Z", .time(.at(0))),
            ("10m", .time(.ago(600_000))), ("0s", .time(.ago(0))),
        ] as [(String, ReadPosition)])
    func readsFrom(text: String, position: ReadPosition) throws {
        #expect(try ReadPosition.parseFrom(text) == position)
    }

    @Test(
        arguments: [
            ("now", .latest), ("NOW", .latest), ("latest", .latest), ("LATEST", .latest),
            (sequence.description, .sequence(sequence)), ("10m", .time(.ago(600_000))),
            ("1700000000", .time(.at(1_700_000_000_000))),
        ] as [(String, ReadPosition)])
    func readsTo(text: String, position: ReadPosition) throws {
        #expect(try ReadPosition.parseTo(text) == position)
    }

    @Test(arguments: ["", "soon", "trim horizon", "496700000000000000000000000000000000000000000000000000000"])
    func refusesOtherTextsInFrom(text: String) {
        #expect(throws: Failure.self) { try ReadPosition.parseFrom(text) }
    }

    @Test(arguments: ["trim-horizon", "earliest", "TRIM_HORIZON", "later"])
    func refusesOtherTextsInTo(text: String) {
        #expect(throws: Failure.self) { try ReadPosition.parseTo(text) }
    }

    /// From, to, and whether that is a range when the server's clock says 1,800,000,000 s.
    static let ranges: [(from: ReadPosition?, to: ReadPosition?, isAllowed: Bool)] = [
        (nil, nil, true), (nil, .time(.at(0)), true), (.trimHorizon, .time(.ago(5)), true), (.latest, .latest, true),
        (.time(.at(5)), .latest, true), (.time(.at(5)), .time(.at(5)), true), (.time(.at(5)), .time(.at(6)), true),
        (.time(.at(6)), .time(.at(5)), false), (.time(.ago(6)), .time(.ago(5)), true),
        (.time(.ago(5)), .time(.ago(6)), false), (.time(.at(1_800_000_000_000)), .time(.ago(1)), false),
        (.time(.ago(1)), .time(.at(1_800_000_000_000)), true), (.time(.ago(.max)), .time(.at(0)), true),
        (.latest, .time(.ago(0)), false), (.sequence(sequence), .time(.at(0)), true),
        (.time(.at(6)), .sequence(sequence), true),
    ]

    @Test(arguments: ranges)
    func aRangeThatEndsBeforeItBeginsIsRefused(_ from: ReadPosition?, _ to: ReadPosition?, _ isAllowed: Bool) {
        func check() throws { try ReadPosition.check(from: from, to: to, serverMillis: 1_800_000_000_000) }
        if isAllowed {
            #expect(throws: Never.self, performing: check)
        } else {
            #expect(throws: Failure.self, performing: check)
        }
    }
}

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("127.0.0.1:7411", "127.0.0.1", 7411), ("weir.example:1", "weir.example", 1), ("[::1]:7411", "::1", 7411),
    ])
    func readsHostAndPort(text: String, host: String, port: Int) throws {
        let address = try ServerAddress(parsing: text)
        #expect(address == ServerAddress(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: ["", "host", ":7411", "host:", "host:0", "host:65536", "host:x", "::1:7411", "a b:1", "[]:1"])
    func refusesOtherTexts(text: String) {
        #expect(throws: Failure.self) { try ServerAddress(parsing: text) }
    }

    @Test func takesPortZeroWhereTheSystemChooses() throws {
        #expect(try ServerAddress(parsing: "127.0.0.1:0", lowestPort: 0).port == 0)
    }
}
