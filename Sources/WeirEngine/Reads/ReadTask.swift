// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel

/// A read of a caller that has not ended. Lives on its lane.
final class ReadTask {
    /// Whom it tells.
    enum Sink {
        case once((Result<FoundRecords, WeirError>) -> Void)
        case pushed(any RecordSink)
    }

    /// What it has of the memory for reads.
    enum Memory: Hashable {
        case none
        case waits(MemoryBudget.Ticket)
        /// `maxBytes` are reserved for it.
        case granted
    }

    let id: UInt64
    let caller: LaneCaller
    let shard: ShardRef
    let reader: Reader
    let maxRecords: Int
    let maxBytes: Int
    let sink: Sink
    var machine: ReadMachine
    var memory = Memory.none
    /// When it has waited for memory for long enough, in monotonic nanoseconds.
    var memoryDueNanos: UInt64 = 0
    /// The shard's rate has been asked; the call counts when it brings records.
    var isAdmitted = false
    /// Of the stream, when it was last looked at.
    var settings: StreamSettings?

    init(_ id: UInt64, _ call: ReadCall, _ machine: ReadMachine, of caller: LaneCaller, to sink: Sink) {
        self.id = id
        self.caller = caller
        self.shard = call.shard
        self.reader = call.reader
        self.maxRecords = call.maxRecords
        self.maxBytes = call.maxBytes
        self.machine = machine
        self.sink = sink
    }

    /// Whether bytes are counted record by record, because a rate is counted by them.
    var isExact: Bool { self.settings?.limits.bytesOut != nil }
}

/// What to read.
package struct ReadCall: Sendable {
    package let shard: ShardRef
    package let reader: Reader
    /// Records of one answer, at least 1.
    package let maxRecords: Int
    /// Bytes of batches of one answer; one batch at least is given.
    package let maxBytes: Int

    package init(shard: ShardRef, reader: Reader = Reader(), maxRecords: Int = Int(Int32.max), maxBytes: Int) {
        self.shard = shard
        self.reader = reader
        self.maxRecords = maxRecords
        self.maxBytes = maxBytes
    }

    /// Of a subscription, with pushes of a mebibyte unless a single batch is larger.
    package static func pushed(_ shard: ShardRef, _ reader: Reader) -> ReadCall {
        ReadCall(shard: shard, reader: reader, maxBytes: 1 << 20)
    }
}

/// Takes the records of one subscription. On the lane's thread.
package protocol RecordSink: AnyObject {
    /// Records, or the end of the shard, after which nothing comes. `Lane.left` is called when they have left.
    func push(_ found: FoundRecords)
    /// Nothing more comes.
    func ended(_ error: WeirError)
}
