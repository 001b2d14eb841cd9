// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

/// Garbage, and damaged messages, into every decoder: each refuses or reads, none traps.
@Suite struct FuzzTests {
    private static let seed = UInt64.random(in: .min ... .max)

    @Test(.timeLimit(.minutes(1)))
    func `20,000 inputs of garbage and damage`() {
        print("FuzzTests seed \(Self.seed)")
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<20_000 {
            let (input, origin) = self.input(&random)
            if let origin { _ = try? decode(input, origin) }
            for _ in 0..<2 {
                if let sample = Samples.all.randomElement(using: &random) { _ = try? decode(input, sample) }
            }
            _ = input.exactly { FrameScanner.next(in: $0, .beforeHello) }
            _ = try? IteratorToken(parsing: input)
        }
    }

    /// What a hostile server can send: any records at all, with lengths and checksums that fit.
    @Test(.timeLimit(.minutes(1)))
    func `2,000 batches of garbage under right checksums`() {
        print("FuzzTests seed \(Self.seed)")
        var random = SplitMix64(seed: Self.seed)
        for _ in 0..<2_000 {
            let small = Bool.random(using: &random)
            var body = (0..<BatchBody.headerBytes + Int.random(in: 0..<100, using: &random)).map { _ in
                small ? UInt8.random(in: 0...2, using: &random) : .random(in: .min ... .max, using: &random)
            }
            let count = Int.random(in: 1...4, using: &random)
            body.withUnsafeMutableBytes {
                BatchBody.seal($0, count: count, recordsLength: $0.count - BatchBody.headerBytes)
            }
            let placement = Placement(
                stream: Samples.stream, shard: ShardNumber(1), firstIndex: random.next() >> 1, count: count,
                arrivalMillis: Int64(bitPattern: random.next()), bodyLength: body.count)
            var header = Samples.recordsHeader
            (header.firstIndex, header.nextIndex) = (0, .max)
            header.batchBytes = UInt32(placement.totalLength)
            let frame = header.answerHead(correlation: 1) + Samples.placed(placement, body)
            var visited = 0
            try? Array(frame.dropFirst(FrameHeader.bytes)).exactly { raw throws(MalformedBytes) in
                try RecordsView(payload: raw).forEachRecord { _, _, record in visited += min(1, record.bytes.count) }
            }
            #expect(visited <= count)
        }
    }

    /// Random bytes, or a message with some bytes replaced, cut out or doubled.
    private func input(_ random: inout SplitMix64) -> ([UInt8], Sample?) {
        guard Int.random(in: 0..<4, using: &random) > 0, let sample = Samples.all.randomElement(using: &random) else {
            let count = Int.random(in: 0..<200, using: &random)
            return ((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }, nil)
        }
        var bytes = sample.payload
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let position = Int.random(in: 0..<bytes.count, using: &random)
            let end = Int.random(in: position..<min(bytes.count, position + 16), using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[position] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 1: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
            case 2: bytes.removeSubrange(position...end)
            default: bytes.insert(contentsOf: bytes[position...end], at: position)
            }
        }
        return (bytes, sample)
    }
}
