// SPDX-License-Identifier: Apache-2.0
import CWeir

/// The records of a run, as a function of the seed: what was put can be made again and compared with what was read.
package struct Workload: Hashable, Sendable {
    package let seed: UInt64
    package let producers: Int
    /// Partition keys of each producer; no two producers share one, so that the order of each is known.
    package let keys: Int
    /// Of the data.
    package let bytes: ClosedRange<Int>

    static let headerBytes = 16
    private static let magic: UInt32 = 0x6b72_6f77

    package init(seed: UInt64, producers: Int, keys: Int, bytes: ClosedRange<Int> = 24...300) {
        precondition(producers > 0 && keys > 0 && bytes.lowerBound >= Self.headerBytes, "no workload")
        self.seed = seed
        self.producers = producers
        self.keys = keys
        self.bytes = bytes
    }

    private func dice(_ producer: Int, _ position: Int) -> UInt64 {
        SeededRandom.mix(self.seed ^ SeededRandom.mix(UInt64(producer) << 40 | UInt64(position)))
    }

    /// The key of a producer's record at `position`. The first ones come more often: a half of all is one eighth.
    package func key(_ producer: Int, _ position: Int) -> Int {
        let dice = self.dice(producer, position)
        let range = dice & 1 == 0 ? max(1, self.keys / 8) : self.keys
        return Int((dice >> 8) % UInt64(range))
    }

    package func keyText(_ producer: Int, _ key: Int) -> String { "p\(producer)-k\(key)" }

    package func data(_ producer: Int, _ position: Int) -> [UInt8] {
        var dice = SeededRandom(self.dice(producer, position) ^ 0xda7a)
        let length = self.bytes.lowerBound + Int(dice.next() % UInt64(self.bytes.count))
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.storeBytes(of: Self.magic.littleEndian, as: UInt32.self)
            raw.storeBytes(of: UInt32(producer).littleEndian, toByteOffset: 4, as: UInt32.self)
            raw.storeBytes(of: UInt64(position).littleEndian, toByteOffset: 8, as: UInt64.self)
            var at = Self.headerBytes
            while at + 8 <= length {
                raw.storeBytes(of: dice.next(), toByteOffset: at, as: UInt64.self)
                at += 8
            }
            while at < length {
                raw[at] = UInt8(truncatingIfNeeded: dice.next())
                at += 1
            }
            count = length
        }
    }

    /// Who put this data, and as which of its records; `nil` when nobody did.
    package func origin(_ data: UnsafeRawBufferPointer) -> (producer: Int, position: Int)? {
        guard data.count >= Self.headerBytes, data.loadUnaligned(as: UInt32.self).littleEndian == Self.magic else {
            return nil
        }
        let producer = Int(data.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian)
        let position = data.loadUnaligned(fromByteOffset: 8, as: UInt64.self).littleEndian
        guard producer < self.producers, position < 1 << 40 else { return nil }
        let expected = self.data(producer, Int(position))
        let isSame = expected.withUnsafeBytes { $0.count == data.count && $0.elementsEqual(data) }
        return isSame ? (producer, Int(position)) : nil
    }

    /// Tells records apart: of key and data.
    package static func fingerprint(key: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer) -> UInt64 {
        UInt64(weir_crc32c(0, key.baseAddress, key.count)) << 32 | UInt64(weir_crc32c(0, data.baseAddress, data.count))
    }
}
