// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What one shard may still take in and give out now: the stream's rates as token buckets
/// (docs/kinesis-semantics.md, Limits).
package struct ShardAdmission: Hashable, Sendable {
    private var limits: RateLimits
    private var recordBytesMax: Int
    private var bytesIn: TokenBucket?
    private var recordsIn: TokenBucket?
    private var bytesOut: TokenBucket?
    private var readsOut: TokenBucket?

    package init(_ settings: StreamSettings, nowNanos: UInt64) {
        self.limits = settings.limits
        self.recordBytesMax = settings.recordBytesMax
        func bucket(_ rate: Int64?, atLeast: Int64 = 1) -> TokenBucket? {
            rate.map { TokenBucket(rate: $0, capacity: max($0, atLeast), nowNanos: nowNanos) }
        }
        // A record of the largest size must fit into a full bucket, or it could never be stored.
        self.bytesIn = bucket(settings.limits.bytesIn, atLeast: Int64(settings.recordBytesMax))
        self.recordsIn = bucket(settings.limits.recordsIn)
        self.bytesOut = bucket(settings.limits.bytesOut)
        self.readsOut = bucket(settings.limits.readsOut)
    }

    /// Takes over changed settings; what was used stays used.
    package mutating func follow(_ settings: StreamSettings, nowNanos: UInt64) {
        guard settings.limits != self.limits || settings.recordBytesMax != self.recordBytesMax else { return }
        var next = ShardAdmission(settings, nowNanos: nowNanos)
        func keep(_ old: TokenBucket?, _ new: inout TokenBucket?) {
            guard let old, let fresh = new else { return }
            new = old.changed(rate: fresh.rate, capacity: fresh.capacity, nowNanos: nowNanos)
        }
        keep(self.bytesIn, &next.bytesIn)
        keep(self.recordsIn, &next.recordsIn)
        keep(self.bytesOut, &next.bytesOut)
        keep(self.readsOut, &next.readsOut)
        self = next
    }

    /// Whether it is the same as a new one, and so need not be kept.
    package func isUnused(nowNanos: UInt64) -> Bool {
        [self.bytesIn, self.recordsIn, self.bytesOut, self.readsOut].allSatisfy {
            $0?.isFull(nowNanos: nowNanos) ?? true
        }
    }

    // MARK: Writing

    /// Admits `records` records of `bytes` bytes of data and keys together, all of them or none.
    package mutating func admit(records: Int, bytes: Int, nowNanos: UInt64) -> Bool {
        if self.bytesIn?.take(Int64(bytes), nowNanos: nowNanos) == false { return false }
        if self.recordsIn?.take(Int64(records), nowNanos: nowNanos) == false {
            self.bytesIn?.giveBack(Int64(bytes))
            return false
        }
        return true
    }

    /// Nanoseconds until a single record of `bytes` bytes would be admitted.
    package func nanosUntilRecord(bytes: Int, nowNanos: UInt64) -> UInt64 {
        max(
            self.bytesIn?.nanosUntil(Int64(bytes), nowNanos: nowNanos) ?? 0,
            self.recordsIn?.nanosUntil(1, nowNanos: nowNanos) ?? 0)
    }

    // MARK: Reading

    /// Admits one call that may return records. `nil`: admitted, and counted until `giveBackRead`; else the
    /// nanoseconds until it would be.
    package mutating func admitRead(nowNanos: UInt64) -> UInt64? {
        if let wait = self.nanosUntilBytesOut(nowNanos: nowNanos) { return wait }
        if self.readsOut?.take(1, nowNanos: nowNanos) == false {
            return self.readsOut?.nanosUntil(1, nowNanos: nowNanos) ?? 0
        }
        return nil
    }

    /// The call returned nothing, so it does not count.
    package mutating func giveBackRead() { self.readsOut?.giveBack(1) }

    /// Nanoseconds until bytes may flow to readers again; `nil`: they may now. A push of a subscription asks only this.
    package func nanosUntilBytesOut(nowNanos: UInt64) -> UInt64? {
        guard let bytesOut, bytesOut.tokens(nowNanos: nowNanos) < 1 else { return nil }
        return bytesOut.nanosUntil(1, nowNanos: nowNanos)
    }

    /// Counts bytes of data and keys that were given to a reader.
    package mutating func charge(bytesOut bytes: Int, nowNanos: UInt64) {
        self.bytesOut?.overdraw(Int64(bytes), nowNanos: nowNanos)
    }

    /// Whether bytes given to readers are counted at all.
    package var countsBytesOut: Bool { self.bytesOut != nil }
}
