// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel

/// What Java's `DateTimeFormatter` makes of patterns, times in milliseconds since 1970 and minutes east of UTC.
@Suite struct TimePatternTests {
    private static let table: [(pattern: String, millis: Int64, minutes: Int, text: String)] = [
        ("yyyy/MM/dd/HH", 0, 1080, "1970/01/01/18"),
        ("yyyy/MM/dd/HH", 951782399999, -1080, "2000/02/28/05"),
        ("yyyy/MM/dd/HH", 951782400000, 0, "2000/02/29/00"),
        ("yyyy/MM/dd/HH", 1709164799999, -300, "2024/02/28/18"),
        ("yyyy/MM/dd/HH", 1790726400000, 330, "2026/09/30/05"),
        ("yyyy/MM/dd/HH", 4102444799999, 1080, "2100/01/01/17"),
        ("yyyy/MM/dd/HH", 1783987200123, -1080, "2026/07/13/06"),
        ("yyyy/MM/dd/HH", -1, 0, "1969/12/31/23"),
        ("yyyy/MM/dd/HH", -62103974400000, -300, "0002/01/01/19"),
        ("yyyy/MM/dd/HH", 1735689600000, 1080, "2025/01/01/18"),
        ("yyyy/MM/dd/HH", 1767225599999, -1080, "2025/12/31/05"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 0, 0, "1970-01-01T00:00:00.000"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 951782399999, -300, "2000-02-28T18:59:59.999"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 951782400000, 330, "2000-02-29T05:30:00.000"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 1709164799999, 1080, "2024-02-29T17:59:59.999"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 1790726400000, -1080, "2026-09-29T06:00:00.000"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 4102444799999, 0, "2099-12-31T23:59:59.999"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 1783987200123, -300, "2026-07-13T19:00:00.123"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", -1, 330, "1970-01-01T05:29:59.999"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", -62103974400000, 1080, "0002-01-02T18:00:00.000"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 253402300799999, -1080, "9999-12-31T05:59:59.999"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 1735689600000, 0, "2025-01-01T00:00:00.000"),
        ("uuuu-MM-dd'T'HH:mm:ss.SSS", 1767225599999, -300, "2025-12-31T18:59:59.999"),
        ("yy M d H m s", 0, 330, "70 1 1 5 30 0"),
        ("yy M d H m s", 1709164799999, 0, "24 2 28 23 59 59"),
        ("yy M d H m s", 1783987200123, 1080, "26 7 14 18 0 0"),
        ("yy M d H m s", 253402300799999, -300, "99 12 31 18 59 59"),
        ("D DDD", 0, 0, "1 001"),
        ("D DDD", 1709164799999, 1080, "60 060"),
        ("D DDD", 1783987200123, -300, "194 194"),
        ("D DDD", 253402300799999, -1080, "365 365"),
        ("h a", 0, 1080, "6 PM"),
        ("h a", 1709164799999, -300, "6 PM"),
        ("h a", 1783987200123, -1080, "6 AM"),
        ("h a", 253402300799999, 330, "5 AM"),
        ("hh", 0, 330, "05"),
        ("hh", 1709164799999, 0, "11"),
        ("hh", 1783987200123, 1080, "06"),
        ("hh", 253402300799999, -300, "06"),
        ("MMM d, EEE", 0, 0, "Jan 1, Thu"),
        ("MMM d, EEE", 1709164799999, 1080, "Feb 29, Thu"),
        ("MMM d, EEE", 1783987200123, -300, "Jul 13, Mon"),
        ("MMM d, EEE", 253402300799999, -1080, "Dec 31, Fri"),
        ("MMMM EEEE", 0, -1080, "December Wednesday"),
        ("MMMM EEEE", 1709164799999, 330, "February Thursday"),
        ("MMMM EEEE", 1783987200123, 0, "July Tuesday"),
        ("MMMM EEEE", 253402300799999, 1080, "January Saturday"),
        ("L LL", 0, -1080, "12 12"),
        ("L LL", 1709164799999, 330, "2 02"),
        ("L LL", 1783987200123, 0, "7 07"),
        ("L LL", 253402300799999, 1080, "1 01"),
        ("SSSSSSSSS", 0, -1080, "000000000"),
        ("SSSSSSSSS", 1709164799999, 330, "999000000"),
        ("SSSSSSSSS", 1783987200123, 0, "123000000"),
        ("SSSSSSSSS", 253402300799999, 1080, "999000000"),
        ("S", 0, -300, "0"),
        ("S", 1709164799999, -1080, "9"),
        ("S", 1783987200123, 330, "1"),
        ("S", 253402300799999, 0, "9"),
        ("'it''s' yyyy", 0, 330, "it's 1970"),
        ("'it''s' yyyy", 1709164799999, 0, "it's 2024"),
        ("'it''s' yyyy", 1783987200123, 1080, "it's 2026"),
        ("'it''s' yyyy", 253402300799999, -300, "it's 9999"),
        ("''yyyy", 0, -300, "'1969"),
        ("''yyyy", 1709164799999, -1080, "'2024"),
        ("''yyyy", 1783987200123, 330, "'2026"),
        ("''yyyy", 253402300799999, 0, "'9999"),
    ]

    @Test func `Times are written as Java writes them`() throws {
        for row in Self.table {
            let pattern = try TimePattern(row.pattern)
            #expect(pattern.text(millis: row.millis, offsetMinutes: row.minutes) == row.text, "\(row)")
        }
    }

    @Test(arguments: [
        ("", "is empty"), ("'open", "quote"), ("yyyyy", "at most 4"), ("DDDD", "at most 3"), ("HHH", "at most 2"),
        ("SSSSSSSSSS", "at most 9"), ("aa", "at most 1"), ("yyyy-ww", "letter w"), ("z", "letter z"), ("yyyy[MM]", "["),
        ("yyyy{MM}", "{"), ("#", "#"),
    ])
    func `A pattern that Java or we do not know is refused with what is allowed`(_ text: String, _ word: String) {
        #expect {
            try TimePattern(text)
        } throws: {
            ($0 as? WeirError)?.code == .invalidArgument && "\($0)".contains(word)
        }
    }

    @Test func `The longest run of each letter is allowed`() throws {
        for (letter, most) in [
            ("y", 4), ("u", 4), ("M", 4), ("L", 4), ("E", 4), ("D", 3), ("d", 2), ("H", 2), ("h", 2), ("m", 2),
            ("s", 2),
            ("S", 9), ("a", 1),
        ] as [(String, Int)] {
            for count in 1...most { _ = try TimePattern(String(repeating: letter, count: count)) }
            #expect(throws: WeirError.self) { try TimePattern(String(repeating: letter, count: most + 1)) }
        }
    }
}
