// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

// The values that events and snapshots share. Readers believe nothing: a value outside its range is malformed, and a
// count is held against the bytes that are left before room is made for it.

extension ByteWriter {
    /// `i64 retention | opt i64 size cap | limits | i64 record bytes`, where `opt` is a byte 0, or a byte 1 and the
    /// value. `limits` are `u8 profile: 1 kinesis | 2 open | 0 explicit: opt i64 bytes in | opt i64 records in | opt
    /// i64 bytes out | opt i64 reads out`.
    mutating func write(settings: StreamSettings) {
        self.write(settings.retentionMillis)
        self.write(optional: settings.maxBytes)
        switch settings.profile {
        case .kinesis: self.write(UInt8(1))
        case .open: self.write(UInt8(2))
        case .explicit(let rates):
            self.write(UInt8(0))
            self.write(optional: rates.bytesIn)
            self.write(optional: rates.recordsIn)
            self.write(optional: rates.bytesOut)
            self.write(optional: rates.readsOut)
        }
        self.write(Int64(settings.recordBytesMax))
    }

    /// `u128 lower | u128 upper`, both included.
    mutating func write(range: HashKeyRange) {
        self.write(range.lower.value)
        self.write(range.upper.value)
    }
}

extension ByteReader {
    /// `knowsProfiles`: false for the form of older versions, which has the four rates whatever the profile.
    mutating func readSettings(knowsProfiles: Bool = true) throws(MalformedBytes) -> StreamSettings {
        let retentionMillis = try self.read(Int64.self)
        let maxBytes = try self.readOptional(Int64.self)
        let limits = knowsProfiles ? try self.readProfile() : LimitsProfile(named: try self.readRates())
        let recordBytesMax = try self.read(Int64.self)
        let settings = StreamSettings(
            retentionMillis: retentionMillis, maxBytes: maxBytes, limits: limits,
            recordBytesMax: Int(clamping: recordBytesMax))
        do { try settings.validate() } catch { throw MalformedBytes(error.message) }
        return settings
    }

    private mutating func readProfile() throws(MalformedBytes) -> LimitsProfile {
        switch try self.read(UInt8.self) {
        case 0: return .explicit(try self.readRates())
        case 1: return .kinesis
        case 2: return .open
        case let other: throw MalformedBytes("a limits profile is 0, 1 or 2, not \(other)")
        }
    }

    private mutating func readRates() throws(MalformedBytes) -> RateLimits {
        RateLimits(
            bytesIn: try self.readOptional(), recordsIn: try self.readOptional(), bytesOut: try self.readOptional(),
            readsOut: try self.readOptional())
    }

    mutating func readName() throws(MalformedBytes) -> StreamName {
        let text = try self.readString(maxBytes: Limits.streamNameCharacters.upperBound)
        do { return try StreamName(text) } catch { throw MalformedBytes(error.message) }
    }

    mutating func readRange() throws(MalformedBytes) -> HashKeyRange {
        let lower = HashKey(try self.read())
        let upper = HashKey(try self.read())
        guard lower <= upper else { throw MalformedBytes("a hash key range ends before it begins") }
        return HashKeyRange(lower, upper)
    }

    /// A stream id: from 1, and far enough from the end that counting on never overflows.
    mutating func readStream() throws(MalformedBytes) -> StreamID {
        StreamID(try self.readCounter("a stream id", from: 1))
    }

    mutating func readShard() throws(MalformedBytes) -> ShardNumber { ShardNumber(try self.read()) }

    mutating func readMillis() throws(MalformedBytes) -> Int64 {
        let millis = try self.read(Int64.self)
        guard EventTime.millis.contains(millis) else { throw MalformedBytes("\(millis) ms is not a time") }
        return millis
    }

    /// A time of leases. Versions before stored what a clock said that was beyond the year 4147 as it was, and must
    /// find it again.
    mutating func readClockMillis() throws(MalformedBytes) -> Int64 { EventTime.clamp(try self.read(Int64.self)) }

    /// The same for the second in which a record arrived.
    mutating func readClockSecond() throws(MalformedBytes) -> UInt64 {
        min(try self.read(UInt64.self), EventTime.secondMax)
    }

    mutating func readSecond() throws(MalformedBytes) -> UInt64 {
        let second = try self.read(UInt64.self)
        guard second <= EventTime.secondMax else { throw MalformedBytes("\(second) is not a creation second") }
        return second
    }

    mutating func readIndex() throws(MalformedBytes) -> UInt64 {
        let index = try self.read(UInt64.self)
        guard index <= SequenceNumber.endIndex else { throw MalformedBytes("\(index) is not a record index") }
        return index
    }

    /// A number that is only ever counted up by one.
    mutating func readCounter(_ what: String, from least: UInt64) throws(MalformedBytes) -> UInt64 {
        let value = try self.read(UInt64.self)
        guard (least...UInt64(Int64.max)).contains(value) else { throw MalformedBytes("\(value) is not \(what)") }
        return value
    }

    /// A count of things that take at least `bytes` each.
    mutating func readCount(ofAtLeast bytes: Int) throws(MalformedBytes) -> Int {
        let count = Int(try self.read(UInt32.self))
        guard count <= self.remaining / bytes else {
            throw MalformedBytes("a count of \(count) at offset \(self.offset) is more than the bytes behind it hold")
        }
        return count
    }

    /// Shard numbers that rise.
    mutating func readShards(_ count: Int) throws(MalformedBytes) -> [ShardNumber] {
        var numbers: [ShardNumber] = []
        numbers.reserveCapacity(count)
        for _ in 0..<count {
            let number = try self.readShard()
            if let last = numbers.last, last >= number { throw MalformedBytes("\(number) follows \(last) in a list") }
            numbers.append(number)
        }
        return numbers
    }
}
