// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirIO
import WeirJSON

/// What the server tells, one line each on stderr: `2026-01-31T12:00:00.042Z notice stopping reason=...`. Whoever logs
/// does not wait for whoever reads (`ErrorOutput`).
struct LineLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        ErrorOutput.shared.write(Self.line(event, self.metadata, nowMillis: SystemClock().wallMillis))
    }

    static func line(_ event: LogEvent, _ metadata: Logger.Metadata, nowMillis: Int64) -> String {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let output = OutputBytes(capacity: 256)
        output.append(text: "\(Self.time(nowMillis)) \(event.level.rawValue) ")
        Self.append(event.message.description, to: output)
        for (key, value) in fields {
            output.append(text: " \(key)=")
            let text = value.description
            let needsQuotes = text.isEmpty || text.contains(where: { $0 == " " || $0 == "\"" })
            if needsQuotes { output.append(jsonString: text) } else { Self.append(text, to: output) }
        }
        output.append("\n")
        return output.text
    }

    /// Always with milliseconds, so that lines stay in columns.
    private static func time(_ millis: Int64) -> String {
        let text = TimeText.describe(millis)
        return text.utf8.count == 20 ? text.dropLast() + ".000Z" : text
    }

    /// What others sent may stand in a message: it stays in its line.
    private static func append(_ text: String, to output: OutputBytes) {
        var text = text
        text.withUTF8 { output.append(visible: UnsafeRawBufferPointer($0)) }
    }
}
