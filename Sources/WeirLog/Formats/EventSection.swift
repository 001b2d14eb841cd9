// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The events of a commit, one after the other: `u16 kind | u16 0 | u32 length | payload | zeros to 8 bytes`.
///
/// Kinds 1...255 belong to the catalog, 256 and up to the log itself (`LogEvent`); 0 is none. Unknown kinds stop a
/// start: an older program must not serve what it does not understand. That holds for a section that is whole only: any
/// version writes one, so what cannot be told apart into as many events as the commit counts is no newer version's
/// either.
package enum EventSection {
    package static let headBytes = 8

    package static func paddedLength(ofPayload length: Int) -> Int { Self.headBytes + (length + 7) / 8 * 8 }

    package static func append(kind: UInt16, payload: [UInt8], to raw: UnsafeMutableRawBufferPointer) -> Int {
        let length = Self.paddedLength(ofPayload: payload.count)
        UnsafeMutableRawBufferPointer(rebasing: raw[0..<length]).initializeMemory(as: UInt8.self, repeating: 0)
        raw.store(kind, at: 0)
        raw.store(UInt32(payload.count), at: 4)
        payload.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: raw[Self.headBytes...]).copyMemory(from: $0) }
        return length
    }

    /// The events of a section as far as they can be told apart.
    package struct Reading {
        package struct Event {
            package let kind: UInt16
            package let payload: UnsafeRawBufferPointer
        }

        /// Up to the first place at which no version of the program writes an event.
        package fileprivate(set) var events: [Event] = []
        /// They fill the section, and are as many as the commit counts.
        package fileprivate(set) var isWhole = false
    }

    /// Reads the section of a commit that counts `count` events. The events are valid as long as the bytes are.
    package static func read(_ section: UnsafeRawBufferPointer, count: Int) -> Reading {
        var reading = Reading()
        var offset = 0
        while offset < section.count {
            guard let event = Self.event(in: section, at: offset) else { return reading }
            reading.events.append(event)
            offset += Self.paddedLength(ofPayload: event.payload.count)
        }
        reading.isWhole = reading.events.count == count
        return reading
    }

    /// What stands at `offset`, when it is an event of this or of a newer version.
    private static func event(in section: UnsafeRawBufferPointer, at offset: Int) -> Reading.Event? {
        guard section.count - offset >= Self.headBytes else { return nil }
        let kind = section.integer(UInt16.self, at: offset)
        let length = Int(section.integer(UInt32.self, at: offset + 4))
        let padded = Self.paddedLength(ofPayload: length)
        guard kind != 0, section.integer(UInt16.self, at: offset + 2) == 0, section.count - offset >= padded,
            section[offset + Self.headBytes + length..<offset + padded].allSatisfy({ $0 == 0 })
        else { return nil }
        return Reading.Event(kind: kind, payload: section.slice(offset + Self.headBytes, length))
    }
}

/// Events of the log about itself.
package enum LogEvent: Hashable, Sendable {
    /// The segment's records have all expired or were deleted: its file may be used again. Positive proof, made durable
    /// before the file is touched.
    case segmentDropped(file: UInt64, useCount: UInt32)
    /// A snapshot of the machines lies on disk, complete and synced.
    case snapshotTaken(lsn: LSN, checksum: UInt32)

    /// The kinds of all events of the log.
    package static let kinds: ClosedRange<UInt16> = 256...257

    package var kind: UInt16 {
        switch self {
        case .segmentDropped: 256
        case .snapshotTaken: 257
        }
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .segmentDropped(let file, let useCount):
            writer.write(file)
            writer.write(useCount)
        case .snapshotTaken(let lsn, let checksum):
            writer.write(lsn.rawValue)
            writer.write(checksum)
        }
        return writer.bytes
    }

    package init(kind: UInt16, payload: UnsafeRawBufferPointer) throws(FormatError) {
        var reader = ByteReader(payload)
        do {
            switch kind {
            case 256: self = .segmentDropped(file: try reader.read(), useCount: try reader.read())
            case 257: self = .snapshotTaken(lsn: LSN(try reader.read()), checksum: try reader.read())
            default: throw FormatError("event kind \(kind) is unknown to this version")
            }
            try reader.expectEnd()
        } catch let error as MalformedBytes {
            throw FormatError("event kind \(kind): \(error)")
        } catch let error as FormatError {
            throw error
        } catch {
            throw FormatError("event kind \(kind) cannot be read")
        }
    }
}
