// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// What is known of a file that has its name, for the manifest of its folder.
package struct FileNote: Hashable, Sendable {
    package let path: String
    package let bytes: UInt64
    /// CRC-32C.
    package let checksum: UInt32
    package let records: UInt64
    package let first: SequenceNumber
    package let last: SequenceNumber
    /// As of `IntendedFile`.
    package let ends: Int64

    package init(
        path: String, bytes: UInt64, checksum: UInt32, records: UInt64, first: SequenceNumber, last: SequenceNumber,
        ends: Int64
    ) {
        self.path = path
        self.bytes = bytes
        self.checksum = checksum
        self.records = records
        self.first = first
        self.last = last
        self.ends = ends
    }

    init(_ file: IntendedFile) {
        self.init(
            path: file.path, bytes: file.bytes, checksum: file.checksum, records: file.records, first: file.first,
            last: file.last, ends: file.ends)
    }

    /// With its slash; empty for the destination itself.
    package var folder: String { self.path.lastIndex(of: "/").map { String(self.path[...$0]) } ?? "" }

    // MARK: Its form: one line of JSON, in notes and in manifests

    func write(_ writer: inout JSONWriter, revision: Int? = nil) {
        writer.beginObject()
        writer.name("path")
        writer.string(self.path)
        writer.name("shardId")
        writer.string("\(self.first.shard)")
        writer.name("records")
        writer.integer(self.records)
        writer.name("bytes")
        writer.integer(self.bytes)
        writer.name("crc32c")
        writer.string(Self.hex(self.checksum))
        writer.name("firstSequenceNumber")
        writer.string("\(self.first)")
        writer.name("lastSequenceNumber")
        writer.string("\(self.last)")
        if let revision {
            writer.name("revision")
            writer.integer(Int64(revision))
        } else {
            writer.name("ends")
            writer.integer(self.ends)
        }
        writer.endObject()
    }

    private static func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    /// `revision` is 0 where there is none.
    init(_ scanner: inout JSONScanner, revision: inout Int) throws(JSONError) {
        var path: String?
        var (bytes, records, checksum): (UInt64?, UInt64?, UInt32?) = (nil, nil, nil)
        var (first, last): (SequenceNumber?, SequenceNumber?) = (nil, nil)
        var ends: Int64 = 0
        try scanner.beginObject()
        while let name = try scanner.nextName() {
            switch name {
            case "path": path = try scanner.string().text
            case "bytes": bytes = try scanner.number().integer(UInt64.self)
            case "records": records = try scanner.number().integer(UInt64.self)
            case "crc32c": checksum = UInt32(try scanner.string().text, radix: 16)
            case "firstSequenceNumber": first = try? SequenceNumber(parsing: try scanner.string().text)
            case "lastSequenceNumber": last = try? SequenceNumber(parsing: try scanner.string().text)
            case "revision": revision = try scanner.number().integer(Int.self) ?? 0
            case "ends": ends = try scanner.number().integer(Int64.self) ?? 0
            default: try scanner.skipValue()
            }
        }
        guard let path, let bytes, let records, let checksum, let first, let last else {
            throw JSONError(.value("a file of a manifest has not all its members"), at: scanner.offset)
        }
        self.init(
            path: path, bytes: bytes, checksum: checksum, records: records, first: first, last: last, ends: ends)
    }

    package static func encode(_ notes: [FileNote]) -> [UInt8] {
        let output = OutputBytes()
        for note in notes {
            var writer = JSONWriter(output)
            note.write(&writer)
            output.append(byte: UInt8(ascii: "\n"))
        }
        return [UInt8](output.raw)
    }

    /// `nil`: these are no notes.
    package static func decode(_ bytes: [UInt8]) -> [FileNote]? {
        var notes: [FileNote] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let note: FileNote? = line.withUnsafeBytes { raw in
                guard var scanner = try? JSONScanner(raw) else { return nil }
                var revision = 0
                return try? FileNote(&scanner, revision: &revision)
            }
            guard let note else { return nil }
            notes.append(note)
        }
        return notes
    }
}

/// All files of a folder whose time is over. A manifest never changes: files that come later make one with the next
/// revision, which has all of them.
package struct FolderManifest: Hashable, Sendable {
    package static let namePrefix = "_manifest-"
    private static let nameSuffix = ".json"
    /// An empty file beside the manifest, as Hadoop and Spark know it: the folder is whole.
    package static let marker = "_SUCCESS"

    package struct File: Hashable, Sendable {
        package let note: FileNote
        /// The first manifest that has it.
        package let revision: Int
    }

    package let revision: Int
    package let files: [File]
    /// What arrived before is in it, in milliseconds since 1970.
    package let completeThrough: Int64

    package init(revision: Int, files: [File], completeThrough: Int64) {
        self.revision = revision
        self.files = files
        self.completeThrough = completeThrough
    }

    /// The one behind `before` with `notes` besides; `nil`: it would be the same.
    package static func following(
        _ before: FolderManifest?, _ notes: [FileNote], completeThrough: Int64
    ) -> FolderManifest? {
        var known = Set(before?.files.map(\.note.path) ?? [])
        let revision = (before?.revision ?? 0) + 1
        let more = notes.sorted { $0.path < $1.path }.filter { known.insert($0.path).inserted }
        guard !more.isEmpty else { return nil }
        return FolderManifest(
            revision: revision, files: (before?.files ?? []) + more.map { File(note: $0, revision: revision) },
            completeThrough: completeThrough)
    }

    package static func name(_ revision: Int) -> String { "\(Self.namePrefix)\(revision)\(Self.nameSuffix)" }

    /// Of what stands behind `namePrefix` in names.
    package static func revision(_ rest: String) -> Int? {
        guard rest.hasSuffix(Self.nameSuffix), let number = Int(rest.dropLast(Self.nameSuffix.count)), number > 0 else {
            return nil
        }
        return "\(number)\(Self.nameSuffix)" == rest ? number : nil
    }

    /// JSON; a file a line.
    package func encode(_ stream: StreamName, _ folder: String) -> [UInt8] {
        let output = OutputBytes()
        var writer = JSONWriter(output)
        writer.beginObject()
        for (name, text) in [("stream", "\(stream)"), ("folder", folder)] {
            writer.name(name)
            writer.string(text)
        }
        func total(_ count: (FileNote) -> UInt64) -> UInt64 { self.files.reduce(0) { $0 + count($1.note) } }
        let late = self.files.filter { $0.revision > 1 }
        let counts: [(String, UInt64)] = [
            ("revision", UInt64(self.revision)), ("files", UInt64(self.files.count)),
            ("records", total { $0.records }), ("bytes", total { $0.bytes }), ("lateFiles", UInt64(late.count)),
            ("lateRecords", late.reduce(0) { $0 + $1.note.records }),
        ]
        for (name, count) in counts {
            writer.name(name)
            writer.integer(count)
        }
        let times: [(String, Int64?)] = [
            ("oldestArrivalTimestamp", self.files.map { Int64($0.note.first.arrivalSecond) * 1000 }.min()),
            ("newestArrivalTimestamp", self.files.map { Int64($0.note.last.arrivalSecond) * 1000 }.max()),
            ("completeThrough", self.completeThrough),
        ]
        for (name, time) in times {
            guard let time else { continue }
            writer.name(name)
            writer.seconds(millis: time)
        }
        self.writeShards(&writer)
        writer.name("content")
        writer.beginArray()
        for file in self.files {
            output.append(byte: UInt8(ascii: "\n"))
            file.note.write(&writer, revision: file.revision)
        }
        output.append(byte: UInt8(ascii: "\n"))
        writer.endArray()
        writer.endObject()
        output.append(byte: UInt8(ascii: "\n"))
        return [UInt8](output.raw)
    }

    private func writeShards(_ writer: inout JSONWriter) {
        writer.name("shards")
        writer.beginArray()
        let shards = Dictionary(grouping: self.files.map(\.note), by: \.first.shard)
        for (shard, notes) in shards.sorted(by: { $0.key < $1.key }) {
            writer.beginObject()
            writer.name("shardId")
            writer.string("\(shard)")
            writer.name("records")
            writer.integer(notes.reduce(0) { $0 + $1.records })
            for (name, number) in [
                ("firstSequenceNumber", notes.map(\.first).min { $0.index < $1.index }),
                ("lastSequenceNumber", notes.map(\.last).max { $0.index < $1.index }),
            ] {
                guard let number else { continue }
                writer.name(name)
                writer.string("\(number)")
            }
            writer.endObject()
        }
        writer.endArray()
    }

    /// `nil`: it is no manifest that this version reads.
    package init?(decoding bytes: [UInt8]) {
        let parsed: FolderManifest? = bytes.withUnsafeBytes { raw in try? FolderManifest(parsing: raw) }
        guard let parsed else { return nil }
        self = parsed
    }

    private init(parsing raw: UnsafeRawBufferPointer) throws(JSONError) {
        var scanner = try JSONScanner(raw, bytesMax: 1 << 30)
        var (revision, through): (Int?, Int64) = (nil, 0)
        var files: [File] = []
        try scanner.beginObject()
        while let name = try scanner.nextName() {
            switch name {
            case "revision": revision = try scanner.number().integer(Int.self)
            case "completeThrough": through = Int64((Double(try scanner.number().text) ?? 0) * 1000)
            case "content":
                try scanner.beginArray()
                while try scanner.nextElement() {
                    var since = 0
                    let note = try FileNote(&scanner, revision: &since)
                    files.append(File(note: note, revision: since))
                }
            default: try scanner.skipValue()
            }
        }
        guard let revision else { throw JSONError(.value("revision is missing"), at: scanner.offset) }
        self.init(revision: revision, files: files, completeThrough: through)
    }
}
