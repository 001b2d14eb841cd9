// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A record as it was read, owned.
public struct Record: Hashable, Sendable {
    public let sequenceNumber: SequenceNumber
    public var shard: ShardNumber { self.sequenceNumber.shard }
    public let partitionKey: String
    public let explicitHashKey: HashKey?
    public let data: [UInt8]
    package let approximateArrivalMillis: Int64
    /// When the server took it; the same for all records of a batch.
    public var approximateArrival: Timestamp { Timestamp(millisecondsSince1970: self.approximateArrivalMillis) }

    package init(
        sequenceNumber: SequenceNumber, partitionKey: String, explicitHashKey: HashKey?, data: [UInt8],
        approximateArrivalMillis: Int64
    ) {
        self.sequenceNumber = sequenceNumber
        self.partitionKey = partitionKey
        self.explicitHashKey = explicitHashKey
        self.data = data
        self.approximateArrivalMillis = approximateArrivalMillis
    }

    public init(
        sequenceNumber: SequenceNumber, partitionKey: String, explicitHashKey: HashKey?, data: [UInt8],
        approximateArrival: Timestamp
    ) {
        self.init(
            sequenceNumber: sequenceNumber, partitionKey: partitionKey, explicitHashKey: explicitHashKey, data: data,
            approximateArrivalMillis: approximateArrival.millisecondsSince1970)
    }
}

/// A record as it lies in the bytes that arrived. Valid only inside the closure that it was given to.
public struct RecordSlice {
    public let shard: ShardNumber
    public let shardCreationSecond: UInt64
    /// Position in the shard.
    public let index: UInt64
    package let approximateArrivalMillis: Int64
    public var approximateArrival: Timestamp { Timestamp(millisecondsSince1970: self.approximateArrivalMillis) }
    public let explicitHashKey: HashKey?
    /// UTF-8.
    public let partitionKey: UnsafeRawBufferPointer
    public let data: UnsafeRawBufferPointer

    init(
        shard: ShardNumber, shardCreationSecond: UInt64, index: UInt64, approximateArrivalMillis: Int64,
        view: RecordView
    ) {
        self.shard = shard
        self.shardCreationSecond = shardCreationSecond
        self.index = index
        self.approximateArrivalMillis = approximateArrivalMillis
        self.explicitHashKey = view.explicitHashKey
        self.partitionKey = view.key
        self.data = view.data
    }

    public var sequenceNumber: SequenceNumber {
        SequenceNumber(
            shardCreationSecond: self.shardCreationSecond, shard: self.shard, index: self.index,
            arrivalSecond: UInt64(max(0, self.approximateArrivalMillis)) / 1000)
    }

    /// A copy that outlives the closure. A key that is not UTF-8 is repaired.
    public func copy() -> Record {
        Record(
            sequenceNumber: self.sequenceNumber, partitionKey: String(decoding: self.partitionKey, as: UTF8.self),
            explicitHashKey: self.explicitHashKey, data: [UInt8](self.data),
            approximateArrivalMillis: self.approximateArrivalMillis)
    }
}
