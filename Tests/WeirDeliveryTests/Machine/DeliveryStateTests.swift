// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel
import WeirTestKit

@Suite struct DeliveryStateTests {
    private static func state(_ random: inout SplitMix64) throws -> DeliveryState {
        func text() -> String {
            random.pick(["", "a/", "year=2026/", "\u{fc}\u{1}", String(repeating: "x", count: 512)])
        }
        func number() -> SequenceNumber { Samples.number(UInt64(random.below(1 << 40))) }
        var patterns = PatternEras(
            try PrefixPattern("a/!{timestamp:yyyy}/", offsetMinutes: random.within(-1080...1080)))
        for change in 0..<random.below(4) {
            try patterns.change(
                to: try PrefixPattern(
                    "p\(change)/", errors: random.pick(["e/", PrefixPattern.usualErrorText]),
                    eventTime: random.chance(1, of: 2) ? try EventTime(".t", random.pick(EventTime.Form.allCases)) : nil
                ),
                behind: UInt64(change * 7))
        }
        let delivered = (0..<random.below(4)).map { _ in
            DeliveryState.Delivered(partition: text(), through: UInt64(random.below(1000)))
        }
        let files = (0..<random.below(4)).map { _ in
            IntendedFile(
                partition: text(), path: text(), unfinished: text(), bytes: random.next(),
                checksum: UInt32(random.below(1 << 32)), first: number(), last: number(), records: random.next(),
                ends: random.pick([0, 0, 1_790_726_400_000, .max]))
        }
        return DeliveryState(
            life: random.next(), patterns: patterns, delivered: delivered,
            intent: files.isEmpty ? nil : Intent(cut: number(), files: files))
    }

    @Test func `What is kept with a lease is read as it was written`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        for _ in 0..<500 {
            let state = try Self.state(&random)
            #expect(try DeliveryState.decode(state.encode()) == state, "seed \(seed)")
        }
        #expect(try DeliveryState.decode([]) == nil)
    }

    @Test func `Damage, a shorter one and another format are refused and never trap`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        for _ in 0..<300 {
            let bytes = try Self.state(&random).encode()
            let lengths = Set(
                [1, 2, bytes.count / 2, bytes.count - 1] + (0..<20).map { _ in random.within(1...bytes.count - 1) })
            for length in lengths {
                #expect(throws: WeirError.self, "seed \(seed)") {
                    try DeliveryState.decode(Array(bytes.prefix(length)))
                }
            }
            for _ in 0..<20 {
                var damaged = bytes
                damaged[random.below(damaged.count)] ^= UInt8(1 << random.below(8))
                _ = try? DeliveryState.decode(damaged)
            }
        }
        var other = try Self.state(&random).encode()
        other[0] = 4
        #expect {
            try DeliveryState.decode(other)
        } throws: {
            "\($0)".contains("format 4")
        }
        for _ in 0..<5000 {
            let garbage = (0..<random.within(1...200)).map { _ in UInt8(random.below(256)) }
            _ = try? DeliveryState.decode(garbage)
        }
    }

    /// 33 partitions beyond the checkpoint, 16 files of an intent and 8 earlier patterns, all as long as they may be.
    @Test func `The largest one may be kept with a lease`() throws {
        let folder = String(repeating: "x", count: PrefixPattern.bytesMax)
        let settings = DeliveryMachine.Settings(fileBytes: 1, fileNanos: 1)
        let number = Samples.number(.max >> 2)
        let long = String(repeating: "p", count: 255)
        let file = IntendedFile(
            partition: folder, path: folder + long, unfinished: long, bytes: .max, checksum: .max, first: number,
            last: number, records: .max, ends: .max)
        func pattern(_ character: Character) throws -> PrefixPattern {
            let part = "!{timestamp:yyyy'\(String(repeating: character, count: 20))'}/"
            let text = String(repeating: part, count: 20)
            let errors = "!{timestamp:yyyy}" + String(repeating: "e/", count: 110)
            return try PrefixPattern(
                text, errors: errors,
                eventTime: try EventTime("." + String(repeating: "t", count: 127), .milliseconds))
        }
        var patterns = PatternEras(try pattern("a"))
        for change in 0..<PatternEras.erasMax {
            try patterns.change(to: try pattern(change % 2 == 0 ? "b" : "a"), behind: UInt64(change + 1))
        }
        let state = DeliveryState(
            life: .max, patterns: patterns,
            delivered: (0...settings.openMax).map { .init(partition: folder + "\($0)", through: .max) },
            intent: Intent(cut: number, files: Array(repeating: file, count: settings.intentMax)))
        #expect(state.encode().count <= Limits.leaseStateBytesMax)
    }
}
