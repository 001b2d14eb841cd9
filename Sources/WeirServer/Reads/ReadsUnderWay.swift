// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirProtocol

/// A GetRecords that has not been answered.
struct ReadUnderWay {
    let id: UInt64
    let correlation: UInt64
    let shard: ShardRef
    let limit: Int
    let maxBytes: Int
    /// When it is answered even without records, in monotonic nanoseconds.
    let deadlineNanos: UInt64
    /// Where it goes on.
    var index: UInt64
    /// The shard's rate has been asked; the call counts when it brings records.
    var isAdmitted = false
    /// A reader thread has it.
    var isOnDisk = false
    /// Of the stream, when it was last looked at.
    var settings: StreamSettings?
}

/// The GetRecords of one connection that wait or are being read.
struct ReadsUnderWay {
    private var reads: [UInt64: ReadUnderWay] = [:]
    private var lastID: UInt64 = 0
    /// Bytes of records that were written and have not left.
    var bytesOnTheWay = 0

    var count: Int { self.reads.count }
    var isEmpty: Bool { self.reads.isEmpty }

    mutating func nextID() -> UInt64 {
        self.lastID += 1
        return self.lastID
    }

    subscript(id: UInt64) -> ReadUnderWay? {
        get { self.reads[id] }
        set { self.reads[id] = newValue }
    }

    var all: [ReadUnderWay] { self.reads.values.sorted { $0.id < $1.id } }

    mutating func removeAll() -> [ReadUnderWay] {
        defer { self.reads.removeAll() }
        return self.all
    }
}
