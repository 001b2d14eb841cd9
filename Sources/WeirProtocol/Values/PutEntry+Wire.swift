// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// ```
/// 0  u32 shard             8  u32 count              24  i64 arrival, ms since 1970
/// 4  u16 status            12 u32 retry after, ms    32  u64 creation second of the shard
/// 6  u8  retry kind        16 u64 first index        40  u64 0
/// 7  u8  flags (bit 0: may be stored)
/// ```
/// Status 0 is stored; otherwise it is the code of an error, and the fields from 16 on are 0.
extension PutEntry {
    /// The refusal as an error with a sentence; `nil` when stored.
    package var error: WeirError? {
        guard case .refused(let code, let verdict) = self.outcome else { return nil }
        return WeirError(code, PutRefusal.message(code, shard: self.shard), verdict: verdict)
    }

    /// Writes 48 bytes to the beginning of `raw`.
    package func write(to raw: UnsafeMutableRawBufferPointer) {
        raw.store(self.shard.rawValue, at: 0)
        raw.store(self.count, at: 8)
        raw.store(UInt64(0), at: 40)
        switch self.outcome {
        case .stored(let position):
            raw.store(UInt32(0), at: 4)
            raw.store(UInt32(0), at: 12)
            raw.store(position.firstIndex, at: 16)
            raw.store(position.arrivalMillis, at: 24)
            raw.store(position.shardCreationSecond, at: 32)
        case .refused(let code, let verdict):
            let fields = VerdictFields(verdict)
            raw.store(code.rawValue, at: 4)
            raw.store(fields.retryKind, at: 6)
            raw.store(fields.maybeStored, at: 7)
            raw.store(fields.retryAfterMillis, at: 12)
            raw.store(UInt64(0), at: 16)
            raw.store(Int64(0), at: 24)
            raw.store(UInt64(0), at: 32)
        }
    }

    /// Reads the first 48 bytes of `raw`, which are there.
    init(reading raw: UnsafeRawBufferPointer) throws(MalformedBytes) {
        let status = raw.integer(UInt16.self, at: 4)
        let fields = VerdictFields(
            maybeStored: raw.integer(at: 7), retryKind: raw.integer(at: 6), retryAfterMillis: raw.integer(at: 12))
        let position = Position(
            firstIndex: raw.integer(at: 16), arrivalMillis: raw.integer(at: 24),
            shardCreationSecond: raw.integer(at: 32))
        let verdict = try fields.verdict()
        let count = raw.integer(UInt32.self, at: 8)
        guard count >= 1, raw.integer(UInt64.self, at: 40) == 0 else {
            throw MalformedBytes("an entry of a put's answer without records, or with a reserved field that is not 0")
        }
        if status == 0 {
            guard verdict == WeirError.Verdict(maybeStored: false, retry: .never) else {
                throw MalformedBytes("a stored entry of a put's answer with a verdict")
            }
            guard position.firstIndex <= SequenceNumber.endIndex - UInt64(count) else {
                throw MalformedBytes("an index beyond what a shard can hold")
            }
            self.init(shard: ShardNumber(raw.integer(at: 0)), count: count, outcome: .stored(position))
        } else {
            guard position == Position(firstIndex: 0, arrivalMillis: 0, shardCreationSecond: 0) else {
                throw MalformedBytes("a refused entry of a put's answer with a position")
            }
            let code = WeirError.Code(rawValue: status)
            self.init(shard: ShardNumber(raw.integer(at: 0)), count: count, outcome: .refused(code, verdict))
        }
    }
}
