// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where files go: what stands before their names, in the manner of Firehose. `!{timestamp:PATTERN}` is the arrival of
/// the records, or an event time that stands in them, `!{partitionKeyFromQuery:.field}` a value that stands in them,
/// and `!{firehose:random-string}` eleven letters and digits that are drawn for each file. A prefix without a time gets
/// `yyyy/MM/dd/HH/` behind it. Records without a field go to the error prefix.
package struct PrefixPattern: Hashable, Sendable {
    private enum Part: Hashable, Sendable {
        case literal(String)
        case time(TimePattern)
        case field(RecordField)
        case random
    }

    /// Bytes of the pattern, of that for errors, and of what comes of them.
    package static let textBytesMax = 1024
    package static let errorTextBytesMax = 256
    /// Bytes of a value of a field, as it stands in a path.
    package static let valueBytesMax = 96
    /// A record is late when it arrives so long after its event time, in milliseconds.
    package static let lateMillis: Int64 = 3_600_000
    package static let usualErrorText = "errors/!{firehose:error-output-type}/"
    package static let bytesMax = 512
    /// Minutes east of UTC.
    package static let offsets = -18 * 60...18 * 60
    /// Stands where random letters will stand.
    private static let hole: Character = "\u{1}"
    private static let randomLength = 11
    /// 30 September 2026, a Wednesday: the names of month and day are the longest.
    private static let sample: Int64 = 1_790_726_400_000

    package let text: String
    package let errorText: String
    package let offsetMinutes: Int
    package let eventTime: EventTime?
    private let parts: [Part]
    private let errorParts: [Part]
    private let unit: FolderPeriod.Unit?
    private let errorUnit: FolderPeriod.Unit?

    /// `fileNameBytes`: of the names that will stand behind it. Throws `invalidArgument` with what is wrong.
    package init(
        _ text: String, errors errorText: String = Self.usualErrorText, offsetMinutes: Int = 0,
        eventTime: EventTime? = nil, fileNameBytes: Int = 0
    ) throws(WeirError) {
        guard Self.offsets.contains(offsetMinutes) else {
            throw WeirError(.invalidArgument, "a time zone is -18:00 to +18:00, not \(offsetMinutes) minutes")
        }
        self.text = text
        self.errorText = errorText
        self.offsetMinutes = offsetMinutes
        self.eventTime = eventTime
        self.parts = try Self.parse(text, Self.textBytesMax, isForErrors: false)
        self.errorParts = try Self.parse(errorText, Self.errorTextBytesMax, isForErrors: true)
        self.unit = Self.unit(self.parts)
        self.errorUnit = Self.unit(self.errorParts)
        let value = String(repeating: "v", count: Self.valueBytesMax)
        for (text, parts) in [(text, self.parts), (errorText, self.errorParts)] {
            try Self.check(
                Self.filled(self.path(parts, millis: Self.sample) { _ in value } ?? "") { 0 }, of: text, fileNameBytes)
        }
    }

    /// Whether it takes the data of a record to know where it belongs.
    package var readsData: Bool {
        self.eventTime != nil || self.parts.contains { if case .field = $0 { true } else { false } }
    }

    /// Whether something in it is drawn for each file.
    package var hasChance: Bool {
        (self.parts + self.errorParts).contains { if case .random = $0 { true } else { false } }
    }

    private static func wrong(_ text: String, _ what: String) -> WeirError {
        WeirError(.invalidArgument, "the prefix '\(text.prefix(100))' \(what)")
    }

    private static func parse(_ text: String, _ bytesMax: Int, isForErrors: Bool) throws(WeirError) -> [Part] {
        guard text.utf8.count <= bytesMax else {
            throw Self.wrong(text, "has \(text.utf8.count) bytes; at most \(bytesMax) are allowed")
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
            throw Self.wrong(text, "has control characters")
        }
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
            parts.append(try Self.part(expression, in: text, isForErrors: isForErrors))
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        let hasTime = parts.contains { if case .time = $0 { true } else { false } }
        if !hasTime { parts.append(.time(try TimePattern("yyyy/MM/dd/HH/"))) }
        return parts
    }

    private static func part(
        _ expression: Substring, in text: String, isForErrors: Bool
    ) throws(WeirError) -> Part {
        let halves = expression.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2 else {
            throw Self.wrong(text, "has !{\(expression)}; an expression is !{namespace:value}")
        }
        switch (halves[0], halves[1]) {
        case ("timestamp", let pattern): return .time(try TimePattern(String(pattern)))
        case ("firehose", "random-string"): return .random
        case ("firehose", "error-output-type") where isForErrors: return .literal(Self.errorOutputType)
        case ("partitionKeyFromQuery", let field) where !isForErrors: return .field(try RecordField(String(field)))
        default:
            throw Self.wrong(
                text,
                "has !{\(expression)}; !{timestamp:...}, !{firehose:random-string} and "
                    + (isForErrors ? "!{firehose:error-output-type}" : "!{partitionKeyFromQuery:.field}")
                    + " are allowed")
        }
    }

    /// That whatever time it is, the path stays inside of the folder and is short enough.
    private static func check(_ path: String, of text: String, _ fileNameBytes: Int) throws(WeirError) {
        guard path.utf8.count <= Self.bytesMax else {
            throw Self.wrong(text, "gives \(path.utf8.count) bytes; at most \(Self.bytesMax) are allowed")
        }
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        for (position, component) in components.enumerated() {
            let isLast = position == components.count - 1
            guard !component.isEmpty || isLast else {
                throw Self.wrong(text, "begins with a slash or has two behind each other")
            }
            guard !component.hasPrefix(".") else {
                throw Self.wrong(text, "has a part that begins with a dot, which hides files")
            }
            guard component.utf8.count + (isLast ? fileNameBytes : 0) <= 255 else {
                throw Self.wrong(text, "gives a name of more than 255 bytes")
            }
        }
    }

    /// What Firehose calls it when a value for a prefix cannot be found in a record.
    private static let errorOutputType = "metadata-extraction-failed"

    /// Where a record belongs: files of one partition have the same prefix, but for what is drawn.
    package struct Partition: Hashable, Sendable {
        package let text: String
        /// Of the time in its path, in milliseconds since 1970.
        package let millis: Int64
        /// It came long after its event time.
        package let isLate: Bool
        /// It has no event time, and counts by its arrival.
        package let lacksTime: Bool
        /// It has not got this field, or an empty or too long one, and goes to the error prefix.
        package let missing: RecordField?
        package var lacksField: Bool { self.missing != nil }
    }

    /// Of a record that arrived then, in milliseconds since 1970. `data` is looked at only when `readsData`.
    package func partition(millis: Int64, data: UnsafeRawBufferPointer = .init(start: nil, count: 0)) -> Partition {
        let event = self.eventTime?.millis(of: data)
        let isLate = event.map { $0 <= millis - Self.lateMillis } ?? false
        let lacksTime = self.eventTime != nil && event == nil
        var missing: RecordField?
        let text = self.path(self.parts, millis: event ?? millis) { field in
            let value = field.value(in: data).flatMap(Self.pathText)
            if value == nil { missing = field }
            return value
        }
        let errors = text == nil ? self.path(self.errorParts, millis: millis) { _ in nil } : nil
        return Partition(
            text: text ?? errors ?? "", millis: text == nil ? millis : event ?? millis, isLate: isLate,
            lacksTime: lacksTime, missing: missing)
    }

    /// From when to when records go into the folder of a partition. `nil`: it does not end, because its path does not
    /// say the year, or because no slash stands behind it.
    package func period(of partition: Partition) -> FolderPeriod? {
        let unit = partition.lacksField ? self.errorUnit : self.unit
        return unit.map { FolderPeriod(of: partition.millis, $0, offsetMinutes: self.offsetMinutes) }
    }

    /// Whether all folders end.
    package var hasPeriods: Bool { self.unit != nil && self.errorUnit != nil }

    private static func unit(_ parts: [Part]) -> FolderPeriod.Unit? {
        var units: Set<FolderPeriod.Unit> = []
        var isBeforeSlash = false
        for part in parts.reversed() {
            switch part {
            case .literal(let text): isBeforeSlash = isBeforeSlash || text.contains("/")
            case .time(let pattern):
                let found = pattern.units(isBeforeSlash: isBeforeSlash)
                units.formUnion(found.units)
                isBeforeSlash = found.hasSlash
            case .field, .random: break
            }
        }
        return FolderPeriod.unit(units)
    }

    private func path(_ parts: [Part], millis: Int64, _ value: (RecordField) -> String?) -> String? {
        var text = ""
        for part in parts {
            switch part {
            case .literal(let literal): text += literal
            case .time(let pattern): text += pattern.text(millis: millis, offsetMinutes: self.offsetMinutes)
            case .field(let field):
                guard let value = value(field) else { return nil }
                text += value
            case .random: text.append(Self.hole)
            }
        }
        return text
    }

    /// A value as a part of a path: a slash, a dot at the beginning, a percent sign and control characters as `%2F`, so
    /// that two values never share a path, and none leaves its folder.
    private static func pathText(_ value: RecordField.Value) -> String? {
        let text: String
        switch value {
        case .text(let given), .number(let given): text = given
        }
        var bytes: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            let isSafe = byte >= 0x20 && byte != 0x7f && byte != UInt8(ascii: "/") && byte != UInt8(ascii: "%")
            if isSafe, byte != UInt8(ascii: ".") || !bytes.isEmpty {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        guard !bytes.isEmpty, bytes.count <= Self.valueBytesMax else { return nil }
        return String(decoding: bytes, as: UTF8.self)
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

    /// The same from one random number.
    package static func filled(_ partition: String, draw: UInt64) -> String {
        var state = draw
        return Self.filled(partition) {
            defer { state = (state ^ state >> 29) &* 0xbf58_476d_1ce4_e5b9 &+ 0x9e37_79b9_7f4a_7c15 }
            return state
        }
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
