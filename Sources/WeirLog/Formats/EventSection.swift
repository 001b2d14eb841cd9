// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The events of a commit, one after the other: `u16 kind | u16 0 | u32 length | payload | zeros to 8 bytes`.
///
/// Kinds 1...255 belong to the catalog, 256 and up to the log itself (`LogEvent`). Unknown kinds stop a start: an older
/// program must not serve what it does not understand.
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

    package static func forEach<E: Error>(
        in section: UnsafeRawBufferPointer, _ body: (UInt16, UnsafeRawBufferPointer) throws(E) -> Void
    ) throws(E) -> Bool {
        var offset = 0
        while offset < section.count {
            guard section.count - offset >= Self.headBytes else { return false }
            let length = Int(section.integer(UInt32.self, at: offset + 4))
            let padded = Self.paddedLength(ofPayload: length)
            guard section.count - offset >= padded else { return false }
            try body(section.integer(UInt16.self, at: offset), section.slice(offset + Self.headBytes, length))
            offset += padded
        }
        return true
    }
}

/// Events of the log about itself.
package enum LogEvent: Hashable, Sendable {
    /// The segment's records have all expired or were deleted: its file may be used again. Positive proof, made durable
    /// before the file is touched.
    case segmentDropped(file: UInt64, useCount: UInt32)
    /// A snapshot of the machines lies on disk, complete and synced.
    case snapshotTaken(lsn: LSN, checksum: UInt32)

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
