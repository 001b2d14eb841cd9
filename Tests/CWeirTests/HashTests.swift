// SPDX-License-Identifier: Apache-2.0

import CWeir
import Crypto
import Testing

extension Paths {
    @Suite("MD5 of many keys")
    struct Hashes {
        static func hash(_ keys: [[UInt8]]) -> [UInt128] {
            let bytes = keys.flatMap { $0 }
            let lengths = keys.map { UInt32($0.count) }
            var hashes = [weir_hash_key](repeating: weir_hash_key(), count: keys.count)
            bytes.withUnsafeBufferPointer { bytes in
                var next = 0
                let pointers = lengths.map { length in
                    defer { next += Int(length) }
                    return bytes.baseAddress.map { $0 + next }
                }
                weir_md5_many(pointers, lengths, keys.count, &hashes)
            }
            return hashes.map(\.value)
        }

        static func reference(_ key: [UInt8]) -> UInt128 {
            Insecure.MD5.hash(data: key).reduce(0) { $0 << 8 | UInt128($1) }
        }

        @Test("The hash keys that the contract names", arguments: Paths.limits)
        func vectors(limit: Int32) {
            let vectors: [(String, UInt128)] = [
                ("a", 16_955_237_001_963_240_173_058_271_559_858_726_497),
                ("partitionKey-1", 159_499_196_025_307_651_934_328_298_402_289_840_726),
                ("é", 136_732_923_097_551_493_579_404_309_126_273_812_335),
            ]
            let keys = vectors.map { Array($0.0.utf8) }
            #expect(Paths.limited(to: limit) { Self.hash(keys) } == vectors.map(\.1))
            for (key, hash) in zip(keys, vectors.map(\.1)) {
                #expect(Paths.limited(to: limit) { Self.hash([key]) } == [hash])
            }
        }

        @Test("Every length, alone and beside others of its length", arguments: Paths.limits)
        func lengths(limit: Int32) {
            for length in Array(0...300) + [1_015, 1_016, 1_023, 1_024, 1_079, 1_080, 5_000] {
                let key = sampleBytes(length, seed: UInt64(length))
                let many = (0..<35).map { sampleBytes(length, seed: $0) }
                #expect(Paths.limited(to: limit) { Self.hash([key]) } == [Self.reference(key)])
                #expect(Paths.limited(to: limit) { Self.hash(many) } == many.map(Self.reference))
            }
        }

        @Test("Any number of keys of mixed lengths", arguments: Paths.limits)
        func counts(limit: Int32) {
            #expect(Paths.limited(to: limit) { Self.hash([]) } == [])
            for count in Array(1...40) + [500] {
                for (most, seed) in [(55, 1), (130, 2), (1_100, 3)] as [(Int, UInt64)] {
                    let lengths = zip(sampleBytes(count, seed: seed), sampleBytes(count, seed: seed + 9))
                        .map { (Int($0) << 8 | Int($1)) % (most + 1) }
                    let keys = lengths.enumerated().map { sampleBytes($1, seed: UInt64($0)) }
                    #expect(Paths.limited(to: limit) { Self.hash(keys) } == keys.map(Self.reference))
                }
            }
        }

        @Test("Nothing is read behind the end of a key", arguments: Paths.limits)
        func end(limit: Int32) throws {
            for length in Array(0...130) + [1_024] {
                let key = sampleBytes(length, seed: UInt64(length))
                let guarded = try GuardedPage(atLeast: max(length, 1))
                let place = guarded.place(key[...])
                // All lanes read the same key.
                for count in [1, 40] {
                    let pointers = [UnsafePointer<UInt8>?](repeating: place, count: count)
                    let lengths = [UInt32](repeating: UInt32(length), count: count)
                    var hashes = [weir_hash_key](repeating: weir_hash_key(), count: count)
                    Paths.limited(to: limit) { weir_md5_many(pointers, lengths, count, &hashes) }
                    let expected = Self.reference(key)
                    #expect(hashes.allSatisfy { $0.value == expected })
                }
            }
        }
    }
}

extension weir_hash_key {
    fileprivate var value: UInt128 { UInt128(high) << 64 | UInt128(low) }
}
