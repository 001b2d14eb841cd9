// SPDX-License-Identifier: Apache-2.0
import WeirDelivery
import WeirJSON
import WeirModel

/// Deliveries of a server as they are printed.
enum DeliveryText {
    static func write(_ deliveries: [DeliveryStream], asJSON: Bool, to output: OutputBytes) throws {
        if asJSON {
            for delivery in deliveries { Self.object(delivery).write(to: output) }
            return
        }
        var table = Table([
            ("STREAM", .left), ("DELIVERY", .left), ("FOLDER", .left), ("STATE", .left), ("RECORDS", .right),
            ("FILES", .right), ("BYTES", .right), ("WAITS FOR", .left),
        ])
        for delivery in deliveries {
            let status = Status(delivery.status)
            table.append([
                delivery.streamName.description, delivery.application.description,
                (try? DeliveryConfiguration(parsing: delivery.configuration).to) ?? "?", status.text("state") ?? "-",
                status.text("records") ?? "-", status.text("files") ?? "-",
                status.text("bytes").flatMap { Int64($0) }.map { SizeText.rounded($0) } ?? "-",
                status.text("problem") ?? status.list("waitsFor").first ?? "",
            ])
        }
        table.write(to: output)
    }

    private static func object(_ delivery: DeliveryStream) -> JSONObject {
        var object = JSONObject()
        object.set("streamName", delivery.streamName.description)
        object.set("delivery", delivery.application.description)
        object.set("configuration", .json(delivery.configuration))
        object.set("status", delivery.status.isEmpty ? .null : .json(delivery.status))
        return object
    }

    /// One of them, for people.
    static func write(_ delivery: DeliveryStream, to output: OutputBytes) throws {
        let configuration = try DeliveryConfiguration(parsing: delivery.configuration)
        let status = Status(delivery.status)
        var properties = Properties()
        properties.append("stream", delivery.streamName.description)
        properties.append("delivery", delivery.application.description)
        properties.append("folder", configuration.to)
        let level = configuration.level.map { " at level \($0)" } ?? ""
        properties.append("files", "\(configuration.compression)\(level), \(configuration.format.rawValue)")
        let measure = configuration.countsBeforeCompression ? " before compression" : ""
        properties.append(
            "end after",
            "\(SizeText.describe(configuration.size))\(measure), or \(DurationText.describe(configuration.ageMillis))")
        if !configuration.prefix.isEmpty { properties.append("prefix", configuration.prefix) }
        if let field = configuration.eventTime {
            properties.append("event time", "\(field) (\(configuration.eventTimeForm.rawValue))")
        }
        properties.append("state", status.text("state") ?? "not begun")
        for (title, name) in [
            ("records", "records"), ("files written", "files"), ("open files", "openFiles"),
            ("late records", "lateRecords"), ("without time", "recordsWithoutTime"),
            ("without field", "recordsWithoutField"), ("last file", "lastFile"), ("problem", "problem"),
        ] {
            guard let text = status.text(name), text != "0" else { continue }
            properties.append(title, text)
        }
        for (title, name) in [("bytes written", "bytes"), ("buffered", "bufferedBytes")] {
            guard let bytes = status.text(name).flatMap({ Int64($0) }), bytes > 0 else { continue }
            properties.append(title, SizeText.rounded(bytes))
        }
        for reason in status.list("waitsFor") { properties.append("waits for", reason) }
        properties.write(to: output)
    }

    /// What a server says of a delivery: numbers as they are written, and texts.
    private struct Status {
        private var texts: [String: String] = [:]
        private var lists: [String: [String]] = [:]

        init(_ json: String) {
            var json = json
            json.withUTF8 { try? self.read(UnsafeRawBufferPointer($0)) }
        }

        func text(_ name: String) -> String? { self.texts[name] }
        func list(_ name: String) -> [String] { self.lists[name] ?? [] }

        private mutating func read(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
            var scanner = try JSONScanner(bytes)
            try scanner.beginObject()
            while let name = try scanner.nextName() {
                switch scanner.kind() {
                case .string: self.texts[name.text] = try scanner.string().text
                case .number: self.texts[name.text] = try scanner.number().text
                case .array:
                    try scanner.beginArray()
                    while try scanner.nextElement() {
                        self.lists[name.text, default: []].append(try scanner.string().text)
                    }
                default: try scanner.skipValue()
                }
            }
        }
    }
}
