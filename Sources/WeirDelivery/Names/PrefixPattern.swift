// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where files go: what stands before their names, in the manner of Firehose. `!{timestamp:PATTERN}` is the arrival of
/// the records, `!{firehose:random-string}` eleven letters and digits that are drawn for each file. A prefix without a
/// time gets `yyyy/MM/dd/HH/` behind it.
package struct PrefixPattern: Hashable, Sendable {
    private enum Part: Hashable, Sendable {
        case literal(String)
        case time(TimePattern)
        case random
    }

    /// Characters of the pattern, and bytes of what comes of it.
    package static let charactersMax = 1024
    package static let bytesMax = 512
    /// Minutes east of UTC.
    package static let offsets = -18 * 60...18 * 60
    /// Stands where random letters will stand.
    private static let hole: Character = "\u{1}"
    private static let randomLength = 11
    /// 30 September 2026, a Wednesday: the names of month and day are the longest.
    private static let sample: Int64 = 1_790_726_400_000

    package let text: String
    package let offsetMinutes: Int
    private let parts: [Part]

    /// `fileNameBytes`: of the names that will stand behind it. Throws `invalidArgument` with what is wrong.
    package init(_ text: String, offsetMinutes: Int = 0, fileNameBytes: Int = 0) throws(WeirError) {
        guard text.count <= Self.charactersMax else {
            throw Self.wrong(text, "has \(text.count) characters; at most \(Self.charactersMax) are allowed")
        }
        guard Self.offsets.contains(offsetMinutes) else {
            throw WeirError(.invalidArgument, "a time zone is -18:00 to +18:00, not \(offsetMinutes) minutes")
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
            throw Self.wrong(text, "has control characters")
        }
        self.text = text
        self.offsetMinutes = offsetMinutes
        var parts = try Self.parse(text)
        let hasTime = parts.contains { if case .time = $0 { true } else { false } }
        if !hasTime { parts.append(.time(try TimePattern("yyyy/MM/dd/HH/"))) }
        self.parts = parts
        try self.check(fileNameBytes)
    }

    private static func wrong(_ text: String, _ what: String) -> WeirError {
        WeirError(.invalidArgument, "the prefix '\(text.prefix(100))' \(what)")
    }

    private static func parse(_ text: String) throws(WeirError) -> [Part] {
        var parts: [Part] = []
        var literal = ""
        var rest = Substring(text)
        while let character = rest.popFirst() {
            guard character == "!", rest.first == "{" else {
                literal.append(character)
                continue
            }
            rest.removeFirst()
            guard let end = rest.firstIndex(of: "}") else { throw Self.wrong(text, "has a !{ that does not end") }
            let expression = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(try Self.part(expression, in: text))
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        return parts
    }

    private static func part(_ expression: Substring, in text: String) throws(WeirError) -> Part {
        let halves = expression.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2 else {
            throw Self.wrong(text, "has !{\(expression)}; an expression is !{namespace:value}")
        }
        switch (halves[0], halves[1]) {
        case ("timestamp", let pattern): return .time(try TimePattern(String(pattern)))
        case ("firehose", "random-string"): return .random
        default:
            throw Self.wrong(
                text, "has !{\(expression)}; !{timestamp:...} and !{firehose:random-string} are allowed")
        }
    }

    /// That whatever time it is, the path stays inside of the folder and is short enough.
    private func check(_ fileNameBytes: Int) throws(WeirError) {
        let path = Self.filled(self.partition(millis: Self.sample)) { 0 }
        guard path.utf8.count <= Self.bytesMax else {
            throw Self.wrong(self.text, "gives \(path.utf8.count) bytes; at most \(Self.bytesMax) are allowed")
        }
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        for (position, component) in components.enumerated() {
            let isLast = position == components.count - 1
            guard !component.isEmpty || isLast else {
                throw Self.wrong(self.text, "begins with a slash or has two behind each other")
            }
            guard !component.hasPrefix(".") else {
                throw Self.wrong(self.text, "has a part that begins with a dot, which hides files")
            }
            guard component.utf8.count + (isLast ? fileNameBytes : 0) <= 255 else {
                throw Self.wrong(self.text, "gives a name of more than 255 bytes")
            }
        }
    }

    /// What a record belongs to that arrived then, in milliseconds since 1970: files of one partition have the same
    /// prefix, but for what is drawn.
    package func partition(millis: Int64) -> String {
        var text = ""
        for part in self.parts {
            switch part {
            case .literal(let literal): text += literal
            case .time(let pattern): text += pattern.text(millis: millis, offsetMinutes: self.offsetMinutes)
            case .random: text.append(Self.hole)
            }
        }
        return text
    }

    /// The prefix of one file.
    package static func filled(_ partition: String, dice: () -> UInt64) -> String {
        guard partition.contains(Self.hole) else { return partition }
        var text = ""
        for character in partition {
            guard character == Self.hole else {
                text.append(character)
                continue
            }
            var bits = dice()
            for _ in 0..<Self.randomLength {
                text.append(Self.letters[Int(bits % 36)])
                bits /= 36
            }
        }
        return text
    }

    private static let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")

    /// Minutes east of UTC of `UTC`, `Z`, or `+02:00`. Throws `invalidArgument`.
    package static func offset(_ text: String) throws(WeirError) -> Int {
        if text == "UTC" || text == "Z" { return 0 }
        let characters = Array(text)
        let digits = [1, 2, 4, 5].allSatisfy {
            $0 < characters.count && characters[$0].isASCII && characters[$0].isNumber
        }
        if digits, characters.count == 6, characters[0] == "+" || characters[0] == "-", characters[3] == ":",
            let hours = Int(String(characters[1...2])), let minutes = Int(String(characters[4...5])),
            (0..<60).contains(minutes), hours >= 0, Self.offsets.contains(hours * 60 + minutes)
        {
            return (characters[0] == "-" ? -1 : 1) * (hours * 60 + minutes)
        }
        throw WeirError(.invalidArgument, "'\(text.prefix(40))' is no time zone: UTC, or as +02:00, is allowed")
    }
}
