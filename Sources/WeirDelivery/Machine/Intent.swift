// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A file as it will be, or is: decided before it gets its name, and never changed afterwards.
package struct IntendedFile: Hashable, Sendable {
    /// What its records have in common.
    package let partition: String
    /// Inside of the destination.
    package let path: String
    /// What it was called while it was written.
    package let unfinished: String
    package let bytes: UInt64
    /// CRC-32C of all of it.
    package let checksum: UInt32
    package let first: SequenceNumber
    package let last: SequenceNumber
    package let records: UInt64
    /// When its folder ends, in milliseconds since 1970; 0 when that does not matter, the last moment when it never
    /// does.
    package let ends: Int64

    package init(
        partition: String, path: String, unfinished: String, bytes: UInt64, checksum: UInt32, first: SequenceNumber,
        last: SequenceNumber, records: UInt64, ends: Int64 = 0
    ) {
        self.partition = partition
        self.path = path
        self.unfinished = unfinished
        self.bytes = bytes
        self.checksum = checksum
        self.first = first
        self.last = last
        self.records = records
        self.ends = ends
    }
}

/// Files that are about to get their names. Whoever holds the lease finishes exactly these before anything else.
package struct Intent: Hashable, Sendable {
    /// Of each file's partition, all records through this one are delivered when the file has its name.
    package let cut: SequenceNumber
    package let files: [IntendedFile]

    package init(cut: SequenceNumber, files: [IntendedFile]) {
        self.cut = cut
        self.files = files
    }
}

/// What a delivery keeps with the lease of a shard (docs/decisions/0013-files-by-intent.md).
package struct DeliveryState: Hashable, Sendable {
    /// Of one partition, everything through that index is delivered, although the checkpoint lies before it.
    package struct Delivered: Hashable, Sendable {
        package let partition: String
        package let through: UInt64

        package init(partition: String, through: UInt64) {
            self.partition = partition
            self.through = through
        }
    }

    /// Drawn by each holder of the lease, so that nothing of an earlier one can take its place.
    package var life: UInt64
    package var patterns: PatternEras
    package var delivered: [Delivered]
    package var intent: Intent?

    package init(life: UInt64, patterns: PatternEras, delivered: [Delivered] = [], intent: Intent? = nil) {
        self.life = life
        self.patterns = patterns
        self.delivered = delivered
        self.intent = intent
    }
}

// The form, little-endian; format 1 has no event time and no prefix for errors, format 2 no ends of folders, and is
// written where there are none:
//
// u8 format (3) | u64 life | pattern | u8 earlier patterns: u64 through | pattern
// u16 partitions: text partition | u64 through
// u8 has an intent: number cut | u16 files: text partition | text path | text unfinished | u64 bytes | u32 checksum
//                   | number first | number last | u64 records | i64 end of the folder
// pattern: text | u16 minutes east of UTC, plus 1,080 | text for errors | text form of the event time, empty: none |
// text field number: u64 creation second | u32 shard | u64 index | u64 arrival second
extension DeliveryState {
    private static let format: UInt8 = 3

    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        let hasEnds = self.intent?.files.contains { $0.ends != 0 } ?? false
        writer.write(hasEnds ? Self.format : 2)
        writer.write(self.life)
        writer.write(pattern: self.patterns.current)
        writer.write(UInt8(clamping: self.patterns.earlier.count))
        for era in self.patterns.earlier {
            writer.write(era.through)
            writer.write(pattern: era.pattern)
        }
        writer.write(UInt16(clamping: self.delivered.count))
        for entry in self.delivered {
            writer.write(entry.partition)
            writer.write(entry.through)
        }
        writer.write(self.intent != nil)
        guard let intent else { return writer.bytes }
        writer.write(number: intent.cut)
        writer.write(UInt16(clamping: intent.files.count))
        for file in intent.files {
            writer.write(file.partition)
            writer.write(file.path)
            writer.write(file.unfinished)
            writer.write(file.bytes)
            writer.write(file.checksum)
            writer.write(number: file.first)
            writer.write(number: file.last)
            writer.write(file.records)
            if hasEnds { writer.write(file.ends) }
        }
        return writer.bytes
    }

    /// `nil` for nothing. Throws `unsupported` for what this version does not know: then it must not go on, because it
    /// would write records again.
    package static func decode(_ bytes: [UInt8]) throws(WeirError) -> DeliveryState? {
        guard !bytes.isEmpty else { return nil }
        let result: Result<DeliveryState, WeirError> = bytes.withUnsafeBytes { raw in
            var reader = ByteReader(raw)
            do {
                let state = try DeliveryState(reading: &reader)
                try reader.expectEnd()
                return .success(state)
            } catch {
                return .failure(
                    WeirError(
                        .internalFailure,
                        "what is kept with the lease is no state of a delivery that this version reads (\(error)): is "
                            + "its application used by something else?",
                        verdict: .init(maybeStored: false, retry: .never)))
            }
        }
        return try result.get()
    }

    private init(reading reader: inout ByteReader) throws {
        let format = try reader.read(UInt8.self)
        guard (1...Self.format).contains(format) else {
            throw MalformedBytes("format \(format); this version reads 1 to \(Self.format)")
        }
        let life = try reader.read(UInt64.self)
        self.init(life: life, patterns: PatternEras(try reader.readPattern(format)))
        for _ in 0..<(try reader.read(UInt8.self)) {
            self.patterns.earlier.append(.init(through: try reader.read(), pattern: try reader.readPattern(format)))
        }
        for _ in 0..<(try reader.read(UInt16.self)) {
            self.delivered.append(Delivered(partition: try reader.readString(), through: try reader.read()))
        }
        guard try reader.readBool() else { return }
        let cut = try reader.readNumber()
        var files: [IntendedFile] = []
        for _ in 0..<(try reader.read(UInt16.self)) {
            files.append(
                IntendedFile(
                    partition: try reader.readString(), path: try reader.readString(),
                    unfinished: try reader.readString(), bytes: try reader.read(), checksum: try reader.read(),
                    first: try reader.readNumber(), last: try reader.readNumber(), records: try reader.read(),
                    ends: format > 2 ? try reader.read() : 0))
        }
        self.intent = Intent(cut: cut, files: files)
    }
}

private let offsetBase = 18 * 60

extension ByteWriter {
    fileprivate mutating func write(pattern: PrefixPattern) {
        self.write(pattern.text)
        self.write(UInt16(clamping: pattern.offsetMinutes + offsetBase))
        self.write(pattern.errorText)
        self.write(pattern.eventTime?.form.rawValue ?? "")
        self.write(pattern.eventTime?.field ?? "")
    }

    fileprivate mutating func write(number: SequenceNumber) {
        self.write(number.shardCreationSecond)
        self.write(number.shard.rawValue)
        self.write(number.index)
        self.write(number.arrivalSecond)
    }
}

extension ByteReader {
    fileprivate mutating func readPattern(_ format: UInt8) throws -> PrefixPattern {
        let text = try self.readString()
        let minutes = Int(try self.read(UInt16.self)) - offsetBase
        guard format > 1 else { return try PrefixPattern(text, offsetMinutes: minutes) }
        let errors = try self.readString()
        let (form, field) = (try self.readString(), try self.readString())
        guard !form.isEmpty else { return try PrefixPattern(text, errors: errors, offsetMinutes: minutes) }
        guard let form = EventTime.Form(rawValue: form) else { throw MalformedBytes("no form of a time") }
        return try PrefixPattern(
            text, errors: errors, offsetMinutes: minutes, eventTime: try EventTime(field, form))
    }

    fileprivate mutating func readNumber() throws(MalformedBytes) -> SequenceNumber {
        let second = try self.read(UInt64.self)
        let shard = ShardNumber(try self.read())
        let index = try self.read(UInt64.self)
        return SequenceNumber(
            shardCreationSecond: second, shard: shard, index: index, arrivalSecond: try self.read())
    }
}
