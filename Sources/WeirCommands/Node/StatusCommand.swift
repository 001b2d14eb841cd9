// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show how a server is.",
        discussion: """
            Examples:
              weir status
              weir status --json --server 10.0.0.5:7411
            """)

    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let status = try await self.connection.withClient { try await $0.status() }
        let output = StandardOutput()
        if self.format.json {
            StatusText.object(status.texts.map { ($0.name, $0.value) }, status.numbers.map { ($0.name, $0.value) })
                .write(to: output.bytes)
        } else {
            StatusText.properties(status.texts.map { ($0.name, $0.value) }, status.numbers.map { ($0.name, $0.value) })
                .write(to: output.bytes)
        }
        try output.flush()
    }
}

/// A node's status as it is printed: all that the server says, in its order, under its names.
enum StatusText {
    static func object(_ texts: [(String, String)], _ numbers: [(String, Int64)]) -> JSONObject {
        var object = JSONObject()
        for (name, value) in texts { object.set(name, .text(value)) }
        for (name, value) in numbers { object.set(name, .integer(value)) }
        return object
    }

    static func properties(_ texts: [(String, String)], _ numbers: [(String, Int64)]) -> Properties {
        var properties = Properties()
        for (name, value) in texts { properties.append(Self.words(name), value) }
        for (name, value) in numbers {
            let unit = Self.units.first { name.hasSuffix("-" + $0.suffix) }
            let title = unit.map { String(name.dropLast($0.suffix.count + 1)) } ?? name
            properties.append(Self.words(title), unit?.text(value) ?? Self.plain(name, value))
        }
        return properties
    }

    private static func words(_ name: String) -> String { String(name.map { $0 == "-" ? " " : $0 }) }

    /// The unit is the end of the name.
    private static let units: [(suffix: String, text: @Sendable (Int64) -> String)] = [
        ("us", { $0 < 10_000 ? "\($0) us" : "\(JSONNumber.fixed(Double($0) / 1000, 1)) ms" }),
        ("ms", { Self.duration($0) }),
        ("bytes", { SizeText.rounded($0) }),
    ]

    private static func plain(_ name: String, _ value: Int64) -> String {
        name.hasPrefix("bytes-") || name.contains("-bytes-") ? SizeText.rounded(value) : CountText.describe(value)
    }

    /// Such as `3 d 4 h`, in the two largest units.
    static func duration(_ millis: Int64) -> String {
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")]
        guard let first = units.firstIndex(where: { millis >= $0.0 }) else { return "\(millis) ms" }
        let whole = "\(millis / units[first].0) \(units[first].1)"
        guard first + 1 < units.count else { return whole }
        return whole + " \(millis % units[first].0 / units[first + 1].0) \(units[first + 1].1)"
    }
}
