// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

/// What every decoder must stand: its form and back, every proper prefix, one byte too many, every flipped bit.
///
/// Each input lies in memory of exactly its size, so that a read beyond it is one beyond the allocation.
/// `optionalBytes`: of a last field that may be absent as a whole.
func verifyCodec(
    _ sample: Sample, mayGrow: Bool = false, optionalBytes: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
) {
    let payload = sample.payload
    #expect(
        throws: Never.self, "\(sample.name) does not read", sourceLocation: sourceLocation,
        performing: {
            let again = try payload.withUnsafeBytes { raw throws(MalformedBytes) in try sample.recode(raw) }
            #expect(again == sample.frame, "\(sample.name) is another value when read", sourceLocation: sourceLocation)
        })
    for count in 0..<payload.count where optionalBytes == 0 || count != payload.count - optionalBytes {
        #expect(
            throws: MalformedBytes.self, "\(sample.name) reads from its first \(count) bytes",
            sourceLocation: sourceLocation, performing: { try decode(Array(payload.prefix(count)), sample) })
    }
    if !mayGrow {
        #expect(
            throws: MalformedBytes.self, "\(sample.name) reads with a byte too many", sourceLocation: sourceLocation,
            performing: { try decode(payload + [0], sample) })
    }
    for bit in 0..<payload.count * 8 {
        var flipped = payload
        flipped[bit / 8] ^= 1 << (bit % 8)
        // Refused, or another value of the form: both are right, a trap is not.
        _ = try? decode(flipped, sample)
    }
}

@discardableResult
func decode(_ payload: [UInt8], _ sample: Sample) throws(MalformedBytes) -> [UInt8] {
    try payload.exactly { raw throws(MalformedBytes) in try sample.recode(raw) }
}
