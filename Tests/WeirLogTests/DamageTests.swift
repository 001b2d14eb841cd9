// SPDX-License-Identifier: Apache-2.0
import CWeir
import Testing
import WeirModel

@testable import WeirLog

/// Stored forms cut at every length and with each bit turned: refused, and never a crash.
@Suite struct DamageTests {
    /// Whether a reader takes these bytes for what was written.
    private static func accepts(_ form: Golden, _ bytes: [UInt8]) throws -> Bool {
        try bytes.withUnsafeBytes { raw in
            switch form {
            case .segmentHeader, .segmentHeaderOfFormat1: return (try? SegmentHeader(reading: raw)) != nil
            case .commit, .emptyCommit, .commitOfFormat1:
                guard let header = try? CommitHeader(reading: raw) else { return false }
                return header.checksumMatches(raw)
            case .footer:
                // As it is read: the trailer knows its checksum. The reader is fed with it all the same.
                let read = try? SegmentFooter(reading: raw)
                let golden = try Golden.footer.bytes().withUnsafeBytes { weir_crc32c(0, $0.baseAddress, $0.count) }
                return read != nil && weir_crc32c(0, raw.baseAddress, raw.count) == golden
            case .trailer: return SegmentFooter.Trailer(reading: raw) != nil
            case .snapshot, .snapshotWithoutEnds: return (try? SnapshotFile(reading: raw)) != nil
            }
        }
    }

    /// Bytes that every reader looks at; behind them only zeros follow.
    private static func covered(_ form: Golden, _ bytes: [UInt8]) -> Int {
        form == .trailer ? SegmentFooter.Trailer.bytes : bytes.count
    }

    @Test(arguments: Golden.allCases) func aFormThatIsWholeIsTaken(_ form: Golden) throws {
        #expect(try Self.accepts(form, try form.bytes()))
    }

    @Test(arguments: Golden.allCases) func aFormThatIsCutAnywhereIsRefused(_ form: Golden) throws {
        let bytes = try form.bytes()
        for length in 0..<Self.covered(form, bytes) {
            let taken = try Self.accepts(form, Array(bytes[0..<length]))
            #expect(!taken, "\(form), \(length) of \(bytes.count) bytes")
        }
    }

    @Test(arguments: Golden.allCases) func aFormWithABitTurnedIsRefused(_ form: Golden) throws {
        var bytes = try form.bytes()
        for position in 0..<Self.covered(form, bytes) {
            for bit in 0..<8 {
                bytes[position] ^= 1 << UInt8(bit)
                let taken = try Self.accepts(form, bytes)
                #expect(!taken, "\(form), bit \(bit) of byte \(position)")
                bytes[position] ^= 1 << UInt8(bit)
            }
        }
    }

    @Test(arguments: [Golden.footer, .snapshot]) func bytesBehindTheEndAreRefused(_ form: Golden) throws {
        let taken = try Self.accepts(form, try form.bytes() + [0])
        #expect(!taken)
    }

    /// A footer whose checksum somebody made right: counts that lie are refused before memory is taken for them.
    @Test func aFooterThatPromisesMoreThanItHoldsIsRefused() throws {
        for position in [48, 64] {
            var bytes = try Golden.footer.bytes()
            for at in position..<position + 4 { bytes[at] = 0xff }
            #expect(throws: FormatError.self) { try bytes.withUnsafeBytes { try SegmentFooter(reading: $0) } }
        }
    }

    @Test(arguments: [60, 104, 120, 148]) func aSnapshotThatPromisesMoreThanItHoldsIsRefused(_ position: Int) throws {
        var bytes = try Golden.snapshot.bytes()
        for at in position..<position + 4 { bytes[at] = 0xff }
        let checksum = bytes.withUnsafeBytes { weir_crc32c(0, $0.baseAddress! + 16, $0.count - 16) }
        bytes.withUnsafeMutableBytes { $0.store(checksum, at: 12) }
        let error = #expect(throws: FormatError.self) { try bytes.withUnsafeBytes { try SnapshotFile(reading: $0) } }
        #expect(error?.description.hasPrefix("a snapshot: ") == true)
    }

    /// A form of a later version says so: the words for the operator name both.
    @Test func anotherVersionIsNamed() throws {
        var snapshot = try Golden.snapshot.bytes()
        snapshot[8] = 3
        let one = #expect(throws: FormatError.self) { try snapshot.withUnsafeBytes { try SnapshotFile(reading: $0) } }
        #expect(one?.description == "its format version is 3, this program reads 1 to 2")

        var header = try Golden.segmentHeader.bytes()
        header[8] = 3
        let checksum = header.withUnsafeBytes { weir_crc32c(0, $0.baseAddress, 4092) }
        header.withUnsafeMutableBytes { $0.store(checksum, at: 4092) }
        let two = #expect(throws: FormatError.self) { try header.withUnsafeBytes { try SegmentHeader(reading: $0) } }
        #expect(two?.description == "segment format version 3; this program reads versions 1 to 2")

        var commit = try Golden.commit.bytes()
        commit[4] = 3
        let three = #expect(throws: FormatError.self) { try commit.withUnsafeBytes { try CommitHeader(reading: $0) } }
        #expect(three?.description == "a commit of format version 3")
    }

    // MARK: Events

    @Test func eventsAreReadOnlyWhenTheyFillTheirSection() throws {
        let commit = try Golden.commit.bytes()
        let section = Array(commit[CommitHeader.bytes..<CommitHeader.bytes + 48])
        for length in 0...section.count {
            section[0..<length].withUnsafeBytes { raw in
                let count = length / 24
                #expect(EventSection.read(raw, count: count).isWhole == (length % 24 == 0), "\(length) bytes")
                #expect(EventSection.read(raw, count: count).events.count == count)
                #expect(!EventSection.read(raw, count: count + 1).isWhole)
            }
        }
    }

    /// What no version writes is no event: kind 0, bytes that must be zero, a length that leads out of the section, and
    /// fewer or more events than the commit counts.
    @Test(arguments: [
        (offset: 24, value: 0, events: 1), (offset: 26, value: 1, events: 1), (offset: 27, value: 1, events: 1),
        (offset: 28, value: 0xff, events: 1), (offset: 31, value: 1, events: 1), (offset: 0, value: 0, events: 0),
    ])
    func whatNoVersionWritesIsNoEvent(offset: Int, value: UInt8, events: Int) throws {
        var section = [UInt8](repeating: 0, count: 48)
        section.withUnsafeMutableBytes { raw in
            for start in [0, 24] {
                let place = UnsafeMutableRawBufferPointer(rebasing: raw[start..<start + 24])
                _ = EventSection.append(kind: 77, payload: [1, 2, 3, 4, 5, 6, 7, 8, 9], to: place)
            }
        }
        section.withUnsafeBytes { raw in
            #expect(EventSection.read(raw, count: 2).isWhole, "a kind of a newer version, in a whole section")
            #expect(!EventSection.read(raw, count: 1).isWhole)
            #expect(!EventSection.read(raw, count: 3).isWhole)
        }
        section[offset] = value
        section.withUnsafeBytes { raw in
            #expect(!EventSection.read(raw, count: 2).isWhole)
            #expect(EventSection.read(raw, count: 2).events.count == events)
        }
    }

    @Test func thePaddingOfAnEventIsZero() {
        var section = [UInt8](repeating: 0, count: 24)
        section.withUnsafeMutableBytes { _ = EventSection.append(kind: 300, payload: [UInt8](1...9), to: $0) }
        for position in 17..<24 {
            section[position] = 1
            section.withUnsafeBytes { #expect(EventSection.read($0, count: 1).events.isEmpty) }
            section[position] = 0
        }
        section.withUnsafeBytes { #expect(EventSection.read($0, count: 1).isWhole) }
    }

    @Test func aSectionWithABitTurnedIsWalkedWithinItsBounds() throws {
        let commit = try Golden.commit.bytes()
        var section = Array(commit[CommitHeader.bytes..<CommitHeader.bytes + 48])
        for position in section.indices {
            for bit in 0..<8 {
                section[position] ^= 1 << UInt8(bit)
                var bytes = 0
                section.withUnsafeBytes { raw in
                    for event in EventSection.read(raw, count: 2).events {
                        bytes += EventSection.headBytes + event.payload.count
                        _ = try? LogEvent(kind: event.kind, payload: event.payload)
                    }
                }
                #expect(bytes <= section.count)
                section[position] ^= 1 << UInt8(bit)
            }
        }
    }

    @Test func anEventOfTheLogIsReadOnlyWhole() throws {
        for event in Sample.logEvents {
            let payload = event.encode()
            func read(_ bytes: [UInt8]) throws -> LogEvent {
                try bytes.withUnsafeBytes { try LogEvent(kind: event.kind, payload: $0) }
            }
            #expect(try read(payload) == event)
            for length in 0..<payload.count {
                #expect(throws: FormatError.self) { try read(Array(payload[0..<length])) }
            }
            #expect(throws: FormatError.self) { try read(payload + [0]) }
        }
    }

    @Test func anEventOfAnUnknownKindIsNamed() {
        let error = #expect(throws: FormatError.self) {
            try LogEvent(kind: 258, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        #expect(error?.description == "event kind 258 is unknown to this version")
    }
}
