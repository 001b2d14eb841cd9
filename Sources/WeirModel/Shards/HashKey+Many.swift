// SPDX-License-Identifier: Apache-2.0
import CWeir

extension HashKey {
    /// Hashes many keys at once, which costs a fraction of hashing them one by one: the MD5 of each of `keys`, read as
    /// an unsigned big-endian number, goes to the same position in `hashes`, which has room for as many.
    ///
    /// A key is a start and a length in bytes, up to 4 GiB. Allocates nothing on the heap for up to 64 keys at a time.
    package static func hash(
        _ count: Int, into hashes: UnsafeMutableBufferPointer<HashKey>,
        key: (Int) -> UnsafeRawBufferPointer
    ) {
        precondition(hashes.count >= count, "no room for \(count) hash keys")
        let stride = Swift.min(64, count)
        withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: stride) { starts in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: stride) { lengths in
                withUnsafeTemporaryAllocation(of: weir_hash_key.self, capacity: stride) { digests in
                    var done = 0
                    while done < count {
                        let some = Swift.min(stride, count - done)
                        for position in 0..<some {
                            let key = key(done + position)
                            // C does not read an empty key, but wants a place to point at.
                            starts[position] =
                                key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                                ?? UnsafePointer<UInt8>(bitPattern: 1)
                            lengths[position] = UInt32(key.count)
                        }
                        weir_md5_many(starts.baseAddress, lengths.baseAddress, some, digests.baseAddress)
                        for position in 0..<some {
                            let digest = digests[position]
                            hashes.initializeElement(
                                at: done + position, to: HashKey(UInt128(digest.high) << 64 | UInt128(digest.low)))
                        }
                        done += some
                    }
                }
            }
        }
    }
}
