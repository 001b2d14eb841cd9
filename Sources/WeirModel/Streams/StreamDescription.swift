// SPDX-License-Identifier: Apache-2.0

/// What an operator may set of a stream.
public struct StreamSettings: Hashable, Sendable {
    package var retentionMillis: Int64
    /// How long records stay: 1 h to 365 days, in whole milliseconds.
    public var retention: Duration {
        get { .milliseconds(self.retentionMillis) }
        set { self.retentionMillis = newValue.millis }
    }
    /// Bytes of the newest records that stay; older ones are dropped, a segment of the log at a time. `nil` is no cap.
    public var maxBytes: Int64?
    public var profile: LimitsProfile
    /// Data and partition key of one record, in bytes.
    public var recordBytesMax: Int

    public init(
        retention: Duration = Limits.retentionDefault, maxBytes: Int64? = nil,
        limits: LimitsProfile = .kinesis, recordBytesMax: Int = Limits.recordBytesDefault
    ) {
        self.init(
            retentionMillis: retention.millis, maxBytes: maxBytes, limits: limits, recordBytesMax: recordBytesMax)
    }

    package init(
        retentionMillis: Int64, maxBytes: Int64? = nil, limits: LimitsProfile = .kinesis,
        recordBytesMax: Int = Limits.recordBytesDefault
    ) {
        self.retentionMillis = retentionMillis
        self.maxBytes = maxBytes
        self.profile = limits
        self.recordBytesMax = recordBytesMax
    }

    /// The rates that the profile means.
    public var limits: RateLimits { self.profile.rates }

    /// Refuses a setting outside its limits (docs/kinesis-semantics.md, Limits), saying what is allowed.
    public func validate() throws(WeirError) {
        guard Limits.retentionMillis.contains(self.retentionMillis) else {
            throw WeirError(
                .invalidArgument, "a retention of \(self.retentionMillis) ms is not allowed: 1 h to 8760 h (365 days)")
        }
        if let maxBytes, maxBytes < Limits.streamBytesMin {
            throw WeirError(
                .invalidArgument,
                "a maximum size of \(maxBytes) bytes is not allowed: at least \(Limits.streamBytesMin)")
        }
        let limits = self.limits
        for rate in [limits.bytesIn, limits.recordsIn, limits.bytesOut, limits.readsOut] {
            if let rate, rate < 1 {
                throw WeirError(.invalidArgument, "a rate limit of \(rate) is not allowed: at least 1")
            }
        }
        guard (Limits.recordBytesDefault...Limits.recordBytesMax).contains(self.recordBytesMax) else {
            throw WeirError(
                .invalidArgument,
                "a record limit of \(self.recordBytesMax) bytes is not allowed: "
                    + "\(Limits.recordBytesDefault) to \(Limits.recordBytesMax)")
        }
    }
}

public struct StreamDescription: Hashable, Sendable {
    public let id: StreamID
    public let name: StreamName
    public let settings: StreamSettings
    package let createdAtMillis: Int64
    public var createdAt: Timestamp { Timestamp(millisecondsSince1970: self.createdAtMillis) }
    public let openShards: Int
    /// Rises with every change of the shards: a hint for clients that hold a shard map.
    public let mapVersion: UInt64
    package let horizonMillis: Int64
    /// Records that arrived before are hidden: the stored horizon.
    public var horizon: Timestamp { Timestamp(millisecondsSince1970: self.horizonMillis) }

    package init(
        id: StreamID, name: StreamName, settings: StreamSettings, createdAtMillis: Int64, openShards: Int,
        mapVersion: UInt64, horizonMillis: Int64
    ) {
        self.id = id
        self.name = name
        self.settings = settings
        self.createdAtMillis = createdAtMillis
        self.openShards = openShards
        self.mapVersion = mapVersion
        self.horizonMillis = horizonMillis
    }
}
