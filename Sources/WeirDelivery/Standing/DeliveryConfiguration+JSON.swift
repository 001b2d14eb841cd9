// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// ```
/// {"to": "access", "from": "latest", "compression": "zstd", "level": 3, "size": 67108864,
///  "sizeBeforeCompression": true, "ageMillis": 60000, "prefix": "", "errorPrefix": "", "errorFormat": "json",
///  "manifest": true, "eventTime": ".time", "eventTimeFormat": "rfc3339",
///  "timeZone": "UTC", "format": "lines"}
/// ```
///
/// All but `to` may be missing. `from` is `trim-horizon`, `latest`, or milliseconds since 1970.
extension DeliveryConfiguration {
    /// In a fixed order; without what has its usual value.
    package var text: String {
        let usual = DeliveryConfiguration(to: "")
        let output = OutputBytes()
        var writer = JSONWriter(output)
        writer.beginObject()
        writer.name("to")
        writer.string(self.to)
        switch self.from {
        case .trimHorizon: break
        case .latest:
            writer.name("from")
            writer.string("latest")
        case .at(let time):
            writer.name("from")
            writer.integer(time.millisecondsSince1970)
        }
        func text(_ name: String, _ value: String?, _ usual: String?) {
            guard let value, value != usual else { return }
            writer.name(name)
            writer.string(value)
        }
        func number(_ name: String, _ value: Int64?, _ usual: Int64?) {
            guard let value, value != usual else { return }
            writer.name(name)
            writer.integer(value)
        }
        text("compression", self.compression, usual.compression)
        number("level", self.level.map(Int64.init), nil)
        number("size", self.size, usual.size)
        if self.countsBeforeCompression {
            writer.name("sizeBeforeCompression")
            writer.bool(true)
        }
        number("ageMillis", self.ageMillis, usual.ageMillis)
        text("prefix", self.prefix, usual.prefix)
        text("errorPrefix", self.errorPrefix, usual.errorPrefix)
        text("errorFormat", self.errorForm.rawValue, usual.errorForm.rawValue)
        if self.hasManifests {
            writer.name("manifest")
            writer.bool(true)
        }
        text("eventTime", self.eventTime, nil)
        text("eventTimeFormat", self.eventTimeForm.rawValue, usual.eventTimeForm.rawValue)
        text("timeZone", self.timeZone, usual.timeZone)
        text("format", self.format.rawValue, usual.format.rawValue)
        writer.endObject()
        return String(decoding: output.raw, as: UTF8.self)
    }

    /// Throws `invalidArgument` for what is no such object, or names something else.
    package init(parsing text: String) throws(WeirError) {
        var configuration = DeliveryConfiguration(to: "")
        var text = text
        let error: WeirError? = text.withUTF8 { bytes in
            do {
                try configuration.read(UnsafeRawBufferPointer(bytes))
                return nil
            } catch let error as WeirError {
                return error
            } catch {
                return WeirError(.invalidArgument, "the configuration of a delivery cannot be read: \(error)")
            }
        }
        if let error { throw error }
        guard !configuration.to.isEmpty else {
            throw WeirError(.invalidArgument, "the configuration of a delivery does not say where to: 'to' is missing")
        }
        self = configuration
    }

    private mutating func read(_ bytes: UnsafeRawBufferPointer) throws {
        var scanner = try JSONScanner(bytes)
        try scanner.beginObject()
        while let name = try scanner.nextName() { try self.read(name.text, &scanner) }
        try scanner.end()
    }

    private mutating func read(_ name: String, _ scanner: inout JSONScanner) throws {
        switch name {
        case "to": self.to = try scanner.string().text
        case "from": self.from = try Self.beginning(&scanner)
        case "compression": self.compression = try scanner.string().text
        case "level": self.level = Int(try Self.number(name, &scanner))
        case "size": self.size = try Self.number(name, &scanner)
        case "sizeBeforeCompression": self.countsBeforeCompression = try scanner.bool()
        case "ageMillis": self.ageMillis = try Self.number(name, &scanner)
        case "prefix": self.prefix = try scanner.string().text
        case "errorPrefix": self.errorPrefix = try scanner.string().text
        case "errorFormat": self.errorForm = try Self.word(name, &scanner)
        case "manifest": self.hasManifests = try scanner.bool()
        case "eventTime": self.eventTime = try scanner.string().text
        case "eventTimeFormat": self.eventTimeForm = try Self.word(name, &scanner)
        case "timeZone": self.timeZone = try scanner.string().text
        case "format": self.format = try Self.word(name, &scanner)
        default:
            throw WeirError(
                .invalidArgument, "the configuration of a delivery has a member '\(name.prefix(60))' unknown here")
        }
    }

    private static func beginning(_ scanner: inout JSONScanner) throws -> StreamStart {
        if scanner.kind() == .number { return .atTimestamp(try Self.number("from", &scanner)) }
        let text = try scanner.string().text
        switch text {
        case "latest": return .latest
        case "trim-horizon": return .trimHorizon
        default:
            throw WeirError(
                .invalidArgument,
                "'\(text.prefix(60))' is not allowed for from: trim-horizon, latest or milliseconds since 1970")
        }
    }

    private static func number(_ name: String, _ scanner: inout JSONScanner) throws -> Int64 {
        let text = try scanner.number().text
        guard let value = Int64(text) else {
            throw WeirError(.invalidArgument, "'\(text.prefix(60))' is not allowed for \(name): a whole number")
        }
        return value
    }

    private static func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, _ scanner: inout JSONScanner
    ) throws -> Word where Word.RawValue == String {
        let text = try scanner.string().text
        guard let word = Word(rawValue: text) else {
            let allowed = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw WeirError(.invalidArgument, "'\(text.prefix(60))' is not allowed for \(name): \(allowed)")
        }
        return word
    }
}
