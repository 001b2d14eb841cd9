// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirTestKit

@testable import WeirLog

/// What streams with a maximum size take, against the same rule asked of all streams and segments.
@Suite struct CappedStreamsTests {
    private static let a = StreamID(1)
    private static let b = StreamID(2)

    private static func log(_ bytes: [Int64]) -> CappedStreams {
        var streams = CappedStreams()
        streams.track(Self.a, bytes.enumerated().map { .init(order: UInt64($0.offset), bytes: $0.element) })
        return streams
    }

    @Test func onlyAChangeIsAReasonToLook() {
        var streams = Self.log([100, 50])
        #expect(streams.look(isShortOfSpace: false) == [Self.a], "a new cap")
        #expect(streams.look(isShortOfSpace: false).isEmpty)
        streams.note(Self.a, .init(order: 1, bytes: 50), isFull: false)
        #expect(streams.look(isShortOfSpace: false).isEmpty, "it takes what it took")
        streams.note(Self.b, .init(order: 1, bytes: 500), isFull: true)
        #expect(streams.look(isShortOfSpace: false).isEmpty, "a stream without a cap")
        streams.note(Self.a, .init(order: 1, bytes: 51), isFull: false)
        #expect(streams.look(isShortOfSpace: false) == [Self.a], "it grows")
        streams.note(Self.a, .init(order: 1, bytes: 51), isFull: true)
        #expect(streams.look(isShortOfSpace: false) == [Self.a], "the segment is full")
        streams.retry(Self.a)
        #expect(streams.look(isShortOfSpace: false) == [Self.a], "what could not be logged")
        #expect(streams.look(isShortOfSpace: true) == [Self.a], "space has become short")
        #expect(streams.look(isShortOfSpace: true).isEmpty, "it stays short")
        #expect(streams.look(isShortOfSpace: false).isEmpty, "it is short no more")
        #expect(streams.look(isShortOfSpace: true) == [Self.a], "again")
        streams.retry(Self.b)
        streams.retry(Self.a)
        streams.forget(Self.a)
        #expect(streams.look(isShortOfSpace: true).isEmpty && !streams.tracks(Self.a))
    }

    /// The newest segment that may go and is finished, as a walk over all of them from the newest finds it.
    private static func walk(_ shares: [CappedStreams.Share], _ cap: SizeCap, isFinished: (UInt64) -> Bool) -> UInt64? {
        var newer: Int64 = 0
        for share in shares.reversed() {
            defer { newer += share.bytes }
            if cap.takes(share.bytes, behind: newer), isFinished(share.order) { return share.order }
        }
        return nil
    }

    @Test func aCapTakesWhatAWalkFromTheNewestSegmentFinds() {
        let sizes: [Int64] = [1, 2, 3, 4, 6, 7, 9]
        var logs: [[Int64]] = [[]]
        for count in 0..<4 { logs += logs.filter { $0.count == count }.flatMap { log in sizes.map { log + [$0] } } }
        for bytes in logs {
            let streams = Self.log(bytes)
            let shares = bytes.enumerated().map { CappedStreams.Share(order: UInt64($0.offset), bytes: $0.element) }
            for (maxBytes, isShort) in [(6, false), (6, true), (7, true)] as [(Int64, Bool)] {
                let cap = SizeCap(maxBytes: maxBytes, isShortOfSpace: isShort)
                for finished in 0...UInt64(bytes.count) {
                    #expect(
                        streams.taken(of: Self.a, by: cap) { $0 < finished }
                            == Self.walk(shares, cap) { $0 < finished },
                        "\(bytes), \(finished) finished, \(maxBytes), \(isShort)")
                }
            }
        }
    }

    /// A log of two streams that fills, drops and caps segments: the books stay what the segments say, and nobody who
    /// is not looked at would have given anything.
    @Test(arguments: 0..<40) func whoIsNotLookedAtHasNothingToGive(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var streams = CappedStreams()
        var segments: [(order: UInt64, bytes: [StreamID: Int64])] = [(0, [:])]
        var caps: [StreamID: (max: Int64, upTo: UInt64?)] = [:]
        func shares(_ stream: StreamID) -> [CappedStreams.Share] {
            segments.filter { segment in caps[stream]?.upTo.map { segment.order > $0 } ?? true }.compactMap { segment in
                segment.bytes[stream].map { .init(order: segment.order, bytes: $0) }
            }
        }
        for _ in 0..<400 {
            let stream = random.pick([Self.a, Self.b])
            switch random.below(8) {
            case 0...3: segments[segments.count - 1].bytes[stream, default: 0] += Int64(1 + random.below(40))
            case 4:
                let full = segments[segments.count - 1]
                for (id, bytes) in full.bytes { streams.note(id, .init(order: full.order, bytes: bytes), isFull: true) }
                segments.append((full.order + 1, [:]))
            case 5 where segments.count > 1:
                let gone = segments.remove(at: random.below(min(2, segments.count - 1)))
                for id in gone.bytes.keys { streams.drop(id, order: gone.order) }
            case 6:
                caps[stream] = (Int64(1 + random.below(100)), caps[stream]?.upTo)
                streams.track(stream, shares(stream))
            default: break
            }
            let active = segments[segments.count - 1]
            for (id, bytes) in active.bytes {
                streams.note(id, .init(order: active.order, bytes: bytes), isFull: false)
            }
            let isShort = random.chance(1, of: 6)
            let due = streams.look(isShortOfSpace: isShort)
            for (id, cap) in caps {
                let rule = SizeCap(maxBytes: cap.max, isShortOfSpace: isShort)
                let wanted = Self.walk(shares(id), rule) { $0 < active.order }
                guard due.contains(id) else {
                    #expect(wanted == nil, "seed \(seed)")
                    continue
                }
                let taken = streams.taken(of: id, by: rule) { $0 < active.order }
                #expect(taken == wanted, "seed \(seed)")
                guard let taken else { continue }
                if random.chance(1, of: 5) {
                    streams.retry(id)
                } else {
                    streams.take(id, upTo: taken)
                    caps[id]?.upTo = taken
                }
            }
        }
    }
}
