// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// An event of a commit, of whichever machine it is.
enum LoggedEvent {
    case log(LogEvent)
    case lease(LeaseEvent)
    case catalog(CatalogEvent)

    /// Why one cannot be read.
    enum Unreadable: Error, CustomStringConvertible {
        /// No version up to this one writes such a kind.
        case unknownKind(UInt16)
        case malformed(String)

        var description: String {
            switch self {
            case .unknownKind(let kind): "event kind \(kind) is unknown"
            case .malformed(let reason): reason
            }
        }
    }

    init(_ event: EventSection.Reading.Event) throws(Unreadable) {
        do {
            if LogEvent.kinds.contains(event.kind) {
                self = .log(try LogEvent(kind: event.kind, payload: event.payload))
            } else if LeaseEvent.kinds.contains(event.kind) {
                self = .lease(try LeaseEvent(kind: event.kind, payload: event.payload))
            } else {
                self = .catalog(try CatalogEvent(kind: event.kind, payload: event.payload))
            }
        } catch CatalogDecodeError.unknownKind(let kind) {
            throw .unknownKind(kind)
        } catch {
            throw .malformed("\(error)")
        }
    }
}

/// What a commit says of itself, against what stands in it.
enum SealedCommit {
    /// The first thing in a sealed commit that a start could not read; `nil`: all of it decodes.
    static func fault(in commit: UnsafeRawBufferPointer, _ header: CommitHeader) -> String? {
        guard let read = try? CommitHeader(reading: commit), read == header else { return "its header does not decode" }
        guard header.checksumMatches(commit) else { return "its checksum does not match" }
        return Self.faultOfEvents(in: commit, header) ?? Self.faultOfBatches(in: commit, header)
    }

    static func faultOfEvents(in commit: UnsafeRawBufferPointer, _ header: CommitHeader) -> String? {
        let reading = EventSection.read(
            commit.slice(CommitHeader.bytes, header.eventsLength), count: header.eventCount)
        for (position, event) in reading.events.enumerated() {
            do throws(LoggedEvent.Unreadable) {
                _ = try LoggedEvent(event)
            } catch {
                return "event \(position) of \(header.eventCount) does not decode: \(error)"
            }
        }
        if reading.isWhole { return nil }
        return "\(reading.events.count) of \(header.eventCount) events can be told apart"
    }

    private static func faultOfBatches(in commit: UnsafeRawBufferPointer, _ header: CommitHeader) -> String? {
        var fault: String?
        let whole = CommitContents.forEachBatch(header, commit) { placement, position in
            let body = commit.slice(position + Placement.bytes, placement.bodyLength)
            guard fault == nil, !Self.isWhole(body, count: placement.count) else { return }
            fault = "the batch of \(placement.shard) of \(placement.stream) at byte \(position) does not decode"
        }
        return fault ?? (whole ? nil : "its batches do not fill their section")
    }

    /// Whether a body holds as many whole records as its placement counts.
    private static func isWhole(_ body: UnsafeRawBufferPointer, count: Int) -> Bool {
        guard let head = try? BatchBody.header(of: body), head.bodyLength == body.count, head.count == count,
            BatchBody.checksumMatches(body, head)
        else { return false }
        var cursor = RecordCursor(records: body.slice(BatchBody.headerBytes, head.recordsLength))
        do throws(MalformedBytes) {
            for _ in 0..<count where try cursor.next() == nil { return false }
            return try cursor.next() == nil
        } catch {
            return false
        }
    }
}
