// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel
import WeirStorage

/// A record of a put on its way through the server. Its `hash` says where its hash key is: from 0 among the computed
/// ones, below 0 (`~position`) among the explicit ones.
typealias PutRecord = RoutedRecord

/// Memory for the records of a few puts, kept from one batch of puts to the next: nothing is allocated for a record.
struct RecordScratch: ~Copyable {
    private(set) var records: UnsafeMutablePointer<PutRecord>
    private(set) var keys: UnsafeMutablePointer<UnsafePointer<UInt8>?>
    private(set) var keyLengths: UnsafeMutablePointer<UInt32>
    private(set) var hashes: UnsafeMutablePointer<weir_hash_key>
    private(set) var count = 0
    private(set) var keyCount = 0
    private var hashedKeys = 0
    private var explicit: [UInt128] = []
    private var capacity: Int

    init(capacity: Int = 1024) {
        self.capacity = capacity
        self.records = .allocate(capacity: capacity)
        self.keys = .allocate(capacity: capacity)
        self.keyLengths = .allocate(capacity: capacity)
        self.hashes = .allocate(capacity: capacity)
    }

    deinit {
        self.records.deallocate()
        self.keys.deallocate()
        self.keyLengths.deallocate()
        self.hashes.deallocate()
    }

    /// Makes room for `more` records behind those that are there.
    mutating func reserve(_ more: Int) {
        guard self.count + more > self.capacity else { return }
        let capacity = max(self.count + more, self.capacity * 2)
        self.records = Self.grown(self.records, self.count, to: capacity)
        self.keys = Self.grown(self.keys, self.keyCount, to: capacity)
        self.keyLengths = Self.grown(self.keyLengths, self.keyCount, to: capacity)
        self.hashes = Self.grown(self.hashes, self.hashedKeys, to: capacity)
        self.capacity = capacity
    }

    private static func grown<T>(_ old: UnsafeMutablePointer<T>, _ count: Int, to capacity: Int)
        -> UnsafeMutablePointer<T>
    {
        let new = UnsafeMutablePointer<T>.allocate(capacity: capacity)
        new.moveInitialize(from: old, count: count)
        old.deallocate()
        return new
    }

    /// Walks the records of one batch body and adds them; room has been reserved for `count` records.
    mutating func add(_ bytes: UnsafeRawBufferPointer, count: Int) throws(PutProblem) -> RecordTotals {
        let (records, keys, keyLengths) = (self.records + self.count, self.keys, self.keyLengths)
        var position = 0
        var keyPosition = self.keyCount
        var totals = RecordTotals()
        var cursor = RecordCursor(records: bytes)
        while let record = try Self.next(&cursor, position) {
            guard position < count else {
                throw PutProblem(.malformedRequest, "a batch that names \(count) records holds more")
            }
            if !PartitionKeyCheck.isPlain(record.key), let problem = PartitionKeyCheck.problem(record.key) {
                throw PutProblem(.invalidArgument, problem, record: position)
            }
            let payload = record.payloadBytes
            totals.payload += payload
            if payload > totals.largest { (totals.largest, totals.largestRecord) = (payload, position) }
            let hash: Int32
            if let explicitHashKey = record.explicitHashKey {
                hash = ~Int32(truncatingIfNeeded: self.explicit.count)
                self.explicit.append(explicitHashKey.value)
            } else {
                hash = Int32(truncatingIfNeeded: keyPosition)
                keys[keyPosition] = record.key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                keyLengths[keyPosition] = UInt32(truncatingIfNeeded: record.key.count)
                keyPosition += 1
            }
            // A record that was read has a header, so it has an address.
            guard let address = record.bytes.baseAddress else { preconditionFailure("a record without bytes") }
            (records + position).initialize(
                to: PutRecord(
                    bytes: address, length: UInt32(truncatingIfNeeded: record.bytes.count),
                    payload: UInt32(truncatingIfNeeded: payload), hash: hash))
            position += 1
        }
        guard position == count else {
            throw PutProblem(.malformedRequest, "a batch that names \(count) records holds \(position)")
        }
        self.count += count
        self.keyCount = keyPosition
        return totals
    }

    @inline(__always)
    private static func next(_ cursor: inout RecordCursor, _ position: Int) throws(PutProblem) -> RecordView? {
        do {
            return try cursor.next()
        } catch {
            throw PutProblem(.malformedRequest, error.description, record: position)
        }
    }

    /// Forgets what was added from these positions on.
    mutating func cut(toRecords count: Int, keys: Int) {
        self.count = count
        self.keyCount = keys
    }

    /// Computes the hash keys of all records that were added since the last time, in one call.
    mutating func hash() {
        guard self.keyCount > self.hashedKeys else { return }
        weir_md5_many(
            self.keys + self.hashedKeys, self.keyLengths + self.hashedKeys, self.keyCount - self.hashedKeys,
            self.hashes + self.hashedKeys)
        self.hashedKeys = self.keyCount
    }

    @inline(__always)
    func hashKey(of record: PutRecord) -> UInt128 {
        if record.hash >= 0 {
            let hash = self.hashes[Int(record.hash)]
            return UInt128(hash.high) << 64 | UInt128(hash.low)
        }
        return self.explicit[Int(~record.hash)]
    }

    mutating func removeAll() {
        self.count = 0
        self.keyCount = 0
        self.hashedKeys = 0
        self.explicit.removeAll(keepingCapacity: true)
    }
}

/// What a walk over records found.
struct RecordTotals {
    /// Bytes of data and keys.
    var payload = 0
    /// Of the largest record, and which that is.
    var largest = 0
    var largestRecord = 0
}

/// Why a put is refused whole, before anything of it is stored.
struct PutProblem: Error {
    let code: WeirError.Code
    let what: String
    /// Position in its group, counted from 0; `nil` when it is not one record's fault.
    let record: Int?

    init(_ code: WeirError.Code, _ what: String, record: Int? = nil) {
        self.code = code
        self.what = what
        self.record = record
    }

    /// `before`: records in the groups in front of this one.
    func error(recordsBefore before: Int) -> WeirError {
        guard let record else { return WeirError(self.code, self.what) }
        return WeirError(self.code, "record \(before + record) of the put, counted from 0: \(self.what)")
    }
}
