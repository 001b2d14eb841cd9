// SPDX-License-Identifier: Apache-2.0

/// Every fixed limit in one place. Those that an operator may change are defaults of `weir.yaml`.
public enum Limits {
    /// Characters of a partition key (docs/kinesis-semantics.md, Partition keys and hashing);
    /// its UTF-8 form can take four bytes each.
    public static let partitionKeyCharacters = 1...256
    public static let partitionKeyBytes = 1024
    /// Bytes of data and partition key together, per stream: default and highest
    /// (docs/kinesis-semantics.md, Limits).
    public static let recordBytesDefault = 1_048_576
    public static let recordBytesMax = 10_485_760
    /// Records of one put request, and bytes of data and keys in it (docs/kinesis-semantics.md, Limits).
    public static let putRecordsMax = 500
    public static let putBytesMax = 10_485_760
    /// A frame of the binary protocol, header excluded; before Hello only `helloFrameBytesMax`.
    public static let frameBytesMax = 16 << 20
    package static let helloFrameBytesMax = 4096
    /// Names of streams, applications and registered consumers.
    public static let nameCharacters = 1...128
    public static let streamNameCharacters = Self.nameCharacters
    public static let streamsMax = 4096
    public static let shardsPerStream = 1...10_000
    package static let openShardsMax = 20_000
    /// What a node takes for the time, in milliseconds since 1970: to the end of the year 2199. A clock that says
    /// something else counts as the nearest of these. Sequence numbers hold times to the year 4147, so whatever such a
    /// clock stamped, there are seconds left to count up.
    package static let clockMillis: ClosedRange<Int64> = 0...7_258_118_399_999
    /// Retention: 1 h to 8,760 h, default 24 h.
    public static let retention: ClosedRange<Duration> = .seconds(3_600)...(.seconds(31_536_000))
    public static let retentionDefault: Duration = .seconds(86_400)
    package static let retentionMillis = Self.retention.lowerBound.millis...Self.retention.upperBound.millis
    package static let retentionMillisDefault = Self.retentionDefault.millis
    /// Smallest size cap of a stream, in bytes.
    public static let streamBytesMin: Int64 = 1 << 20
    /// One answer to GetRecords (docs/kinesis-semantics.md, Limits).
    public static let getRecordsMax = 10_000
    public static let getBytesMax = 10_485_760
    /// How long a GetRecords may wait for records.
    public static let longPollMax: Duration = .seconds(60)
    package static let longPollMillisMax = Int(Self.longPollMax.millis)
    /// How long a shard iterator is valid (docs/kinesis-semantics.md, Limits).
    package static let iteratorMillis: Int64 = 300_000
    package static let iteratorBytesMax = 512
    public static let workerCharacters = 1...256
    /// Consumer applications of one stream, and lease rows of a node: one a shard and application.
    public static let applicationsPerStream = 64
    package static let leasesMax = 200_000
    /// Workers of one application.
    public static let workersMax = 1024
    /// How long a worker may be silent before its shards go to others.
    public static let sessionTimeout: ClosedRange<Duration> = .seconds(1)...(.seconds(300))
    public static let sessionTimeoutDefault: Duration = .seconds(5)
    package static let sessionTimeoutMillis =
        Int(Self.sessionTimeout.lowerBound.millis)...Int(Self.sessionTimeout.upperBound.millis)
    package static let sessionTimeoutMillisDefault = Int(Self.sessionTimeoutDefault.millis)
    /// Why a lease was reset, in bytes of UTF-8.
    public static let reasonBytesMax = 256
    /// What a worker keeps with a lease, and what all leases of a node keep so, in bytes.
    public static let leaseStateBytesMax = 64 << 10
    public static let leaseStateBytesOfNodeMax = 16 << 20
    /// What one stream, consumer or application carries in attributes, over all namespaces: how many, and bytes of
    /// names and values.
    public static let attributesMax = 256
    public static let attributeBytesMax = 64 << 10
    /// Characters of a namespace, bytes of a key and of a value in UTF-8.
    public static let attributeNamespaceCharacters = 1...32
    public static let attributeKeyBytes = 1...512
    public static let attributeValueBytes = 1...20_480
    /// Bytes of attributes of all streams, consumers and applications of a node together.
    public static let attributeBytesOfNodeMax = 8 << 20
    /// Deliveries that a server runs by itself, and those of one stream; bytes of the configuration of one, and of the
    /// text that says how it goes; how many one answer lists.
    public static let deliveriesMax = 64
    public static let deliveriesPerStream = 16
    package static let deliveryConfigurationBytes = 2...3_072
    package static let deliveryStatusBytesMax = 8 << 10
    package static let deliveriesPerAnswer = 80
    /// Registered consumers of one stream (docs/kinesis-semantics.md, Limits).
    public static let consumersPerStream = 20
    /// A commit closes here; a request is never divided.
    package static let commitBytes = 2 << 20
}
