// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Where a record was stored. Given only once the record survives a crash of the server.
public struct PutReceipt: Hashable, Sendable {
    public let sequenceNumber: SequenceNumber
    public var shard: ShardNumber { self.sequenceNumber.shard }

    public init(sequenceNumber: SequenceNumber) {
        self.sequenceNumber = sequenceNumber
    }
}

/// What became of one record.
public typealias PutResult = Result<PutReceipt, WeirError>

/// A record to put, owned.
public struct ProducerRecord: Hashable, Sendable {
    /// 1 to 256 characters.
    public var partitionKey: String
    /// Takes the place of the hash of the partition key.
    public var explicitHashKey: HashKey?
    public var data: [UInt8]

    public init(partitionKey: String, explicitHashKey: HashKey? = nil, data: [UInt8]) {
        self.partitionKey = partitionKey
        self.explicitHashKey = explicitHashKey
        self.data = data
    }
}
