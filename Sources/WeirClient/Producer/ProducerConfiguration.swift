// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How a producer gathers records into requests, and how much it holds.
public struct ProducerConfiguration: Sendable {
    /// Records of one request, 1 to 500.
    public var batchRecords: Int
    /// Bytes of one request, 1 to 10,485,760. A record that is larger goes alone.
    public var batchBytes: Int
    /// How long a record may wait for others before it is sent, 0 to 60 s. With 0 a record is sent at once.
    public var linger: Duration
    /// Bytes of records that are taken and not yet reported, at least `batchBytes`. At the bound the caller waits.
    public var bufferBytes: Int
    /// Requests without an answer, 1 to 1,024; the server may allow fewer.
    public var requestsInFlight: Int
    /// How long the server may be silent while records wait for it: those that have waited as long fail with
    /// `timedOut`. Every answer starts the time anew, also one that throttles, but a connection that is made does not.
    /// `nil` waits for ever.
    public var timeout: Duration?
    /// How long records may be tried in vain, since the last one of their shard, or of all shards, was acknowledged:
    /// whether the server refuses them for a reason that is not the shard's rate, such as a full log, or connections
    /// end before it has answered. Those that have waited as long fail with the error that tells why. `nil` waits for
    /// ever.
    public var progressTimeout: Duration?
    /// Hears when the server holds records back, and when it goes on; on a thread of the client, which it must not
    /// block. The client's logger hears of it too.
    public var onNotice: (@Sendable (ProducerNotice) -> Void)?
    /// What becomes of a record when nobody knows whether it was stored.
    public var unknownOutcome: UnknownOutcome
    /// Records are grouped by shard when this many would come to one shard on average; otherwise the server routes
    /// them. 1 groups always.
    public var groupRecordsMin: Int

    public enum UnknownOutcome: Hashable, Sendable {
        /// Sent again, in order, before anything newer of its shard: at least once, perhaps twice, never reordered.
        case resend
        /// Reported as failed with `outcomeUnknown`: at most once.
        case fail
    }

    public init(
        batchRecords: Int = 500, batchBytes: Int = 1 << 20, linger: Duration = .milliseconds(5),
        bufferBytes: Int = 32 << 20, requestsInFlight: Int = 64, timeout: Duration? = .seconds(10),
        progressTimeout: Duration? = .seconds(30), onNotice: (@Sendable (ProducerNotice) -> Void)? = nil,
        unknownOutcome: UnknownOutcome = .resend, groupRecordsMin: Int = 16
    ) {
        self.batchRecords = batchRecords
        self.batchBytes = batchBytes
        self.linger = linger
        self.bufferBytes = bufferBytes
        self.requestsInFlight = requestsInFlight
        self.timeout = timeout
        self.progressTimeout = progressTimeout
        self.onNotice = onNotice
        self.unknownOutcome = unknownOutcome
        self.groupRecordsMin = groupRecordsMin
    }

    /// Refuses what is outside the ranges above with `invalidArgument`.
    public func validate() throws(WeirError) {
        try ClientConfiguration.check(self.batchRecords, 1...Limits.putRecordsMax, "number of records a batch")
        try ClientConfiguration.check(self.batchBytes, 1...Limits.putBytesMax, "batch size in bytes")
        try ClientConfiguration.check(self.bufferBytes, self.batchBytes...(1 << 40), "buffer size in bytes")
        try ClientConfiguration.check(self.requestsInFlight, 1...1024, "number of requests in flight")
        try ClientConfiguration.check(self.groupRecordsMin, 1...Int(Int32.max), "number of records a group")
        guard .zero <= self.linger, self.linger <= .seconds(60) else {
            throw WeirError(.invalidArgument, "a linger of \(self.linger) is not allowed: 0 to 60 s")
        }
        for timeout in [self.timeout, self.progressTimeout] {
            guard let timeout, timeout < .milliseconds(1) else { continue }
            throw WeirError(.invalidArgument, "a timeout of \(timeout) is not allowed: at least 1 ms")
        }
    }
}
