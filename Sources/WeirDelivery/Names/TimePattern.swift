// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A pattern of Java's `DateTimeFormatter`, as far as names of folders need it: the letters of `allowed`, text in
/// single quotes, and characters that are no letters.
package struct TimePattern: Hashable, Sendable {
    private enum Part: Hashable, Sendable {
        case field(Character, count: Int)
        case literal(String)
    }

    /// Year, month, day of the month and of the year, hour (0 to 23, 1 to 12, AM or PM), minute, second, fraction of a
    /// second, day of the week.
    package static let allowed = "yuMLdDHhamsSE"
    private static let reserved = "{}#[]"

    private let parts: [Part]

    /// Throws `invalidArgument` with what is wrong.
    package init(_ text: String) throws(WeirError) {
        var parts: [Part] = []
        var literal = ""
        var rest = Substring(text)
        func wrong(_ what: String) -> WeirError { WeirError(.invalidArgument, "the time pattern '\(text)' \(what)") }
        while let character = rest.first {
            if character == "'" {
                rest.removeFirst()
                if rest.first == "'" {
                    literal.append("'")
                    rest.removeFirst()
                    continue
                }
                literal += try Self.quoted(&rest, wrong("has a quote that does not end"))
            } else if character.isASCII, character.isLetter {
                let run = rest.prefix { $0 == character }
                rest = rest.dropFirst(run.count)
                guard Self.allowed.contains(character) else {
                    throw wrong(
                        "has the letter \(character): \(Self.allowed) are allowed, and text in single quotes")
                }
                guard run.count <= Self.longest(character) else {
                    throw wrong("has \(run.count) times the letter \(character); at most \(Self.longest(character))")
                }
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(.field(character, count: run.count))
            } else {
                guard !Self.reserved.contains(character) else {
                    throw wrong("has \(character) outside of single quotes")
                }
                literal.append(character)
                rest.removeFirst()
            }
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        guard !parts.isEmpty else { throw wrong("is empty") }
        self.parts = parts
    }

    /// What stands up to the closing quote; two quotes are one.
    private static func quoted(_ rest: inout Substring, _ error: WeirError) throws(WeirError) -> String {
        var text = ""
        while let character = rest.popFirst() {
            guard character == "'" else {
                text.append(character)
                continue
            }
            guard rest.first == "'" else { return text }
            text.append("'")
            rest.removeFirst()
        }
        throw error
    }

    /// What of it stands in the folder, when a slash comes somewhere behind or `isBeforeSlash`: the units of time, and
    /// whether it has a slash itself.
    func units(isBeforeSlash: Bool) -> (units: Set<FolderPeriod.Unit>, hasSlash: Bool) {
        var units: Set<FolderPeriod.Unit> = []
        var isBeforeSlash = isBeforeSlash
        let letters = Set(self.parts.compactMap { if case .field(let letter, _) = $0 { letter } else { nil } })
        for part in self.parts.reversed() {
            switch part {
            case .literal(let text): isBeforeSlash = isBeforeSlash || text.contains("/")
            case .field(let letter, _):
                guard isBeforeSlash else { continue }
                switch letter {
                case "y", "u": units.insert(.year)
                case "M", "L": units.insert(.month)
                case "d": units.insert(.day)
                case "D": units.formUnion([.month, .day])
                case "H": units.insert(.hour)
                case "h" where letters.contains("a"): units.insert(.hour)
                case "m": units.insert(.minute)
                case "s": units.insert(.second)
                default: break
                }
            }
        }
        return (units, isBeforeSlash)
    }

    private static func longest(_ letter: Character) -> Int {
        switch letter {
        case "y", "u", "M", "L", "E": 4
        case "D": 3
        case "S": 9
        case "a": 1
        default: 2
        }
    }

    /// `millis` since 1970.
    package func text(millis: Int64, offsetMinutes: Int) -> String {
        let time = CivilTime(millis: millis, offsetMinutes: offsetMinutes)
        var text = ""
        for part in self.parts {
            switch part {
            case .literal(let literal): text += literal
            case .field(let letter, let count): text += Self.field(letter, count, time)
            }
        }
        return text
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

    private static func field(_ letter: Character, _ count: Int, _ time: CivilTime) -> String {
        switch letter {
        case "y", "u": count == 2 ? Self.padded(time.year % 100, 2) : Self.padded(time.year, count)
        case "M", "L":
            switch count {
            case 3: String(Self.months[time.month - 1].prefix(3))
            case 4: Self.months[time.month - 1]
            default: Self.padded(time.month, count)
            }
        case "E": count == 4 ? Self.days[time.weekday] : String(Self.days[time.weekday].prefix(3))
        case "d": Self.padded(time.day, count)
        case "D": Self.padded(time.dayOfYear, count)
        case "H": Self.padded(time.hour, count)
        case "h": Self.padded((time.hour + 11) % 12 + 1, count)
        case "a": time.hour < 12 ? "AM" : "PM"
        case "m": Self.padded(time.minute, count)
        case "s": Self.padded(time.second, count)
        default: String((Self.padded(time.millisecond, 3) + "000000").prefix(count))
        }
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
