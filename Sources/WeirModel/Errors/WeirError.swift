// SPDX-License-Identifier: Apache-2.0

/// A failure that a caller can act on: a stable code, a sentence, and a verdict.
///
/// The codes are stable numbers on the wire; `Verdict` says whether a put may have been stored and what to do next.
public struct WeirError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: UInt16, CaseIterable, Sendable {
        /// A value is outside what is allowed; the message says what is allowed.
        case invalidArgument = 1
        case streamNotFound = 2
        case shardNotFound = 3
        case streamExists = 4
        /// A count is at its limit: streams, shards, connections.
        case limitExceeded = 5
        /// A shard's rate is used up.
        case throughputExceeded = 6
        case iteratorExpired = 7
        /// The record's hash key is not in this open shard: refresh the shard map.
        case wrongShard = 8
        /// An earlier record of this session and shard was refused; re-send from there, in order.
        case behind = 9
        case streamDeleted = 10
        /// Nobody knows whether the put was stored: the write failed, or the connection was lost.
        case outcomeUnknown = 11
        /// The node cannot take the request now (starting, recovering, draining, out of memory for it).
        case unavailable = 12
        /// No room on the disk or in the log's budget.
        case storageFull = 13
        /// The bytes on disk are damaged there; the message names file and range.
        case damaged = 14
        case malformedRequest = 15
        case unsupportedVersion = 16
        case frameTooLarge = 17
        case checksumMismatch = 18
        case recordTooLarge = 19
        /// More requests or bytes in flight than the connection's credit.
        case creditExceeded = 20
        case notAuthorized = 21
        case internalFailure = 22
        /// Another change of the same stream or shard is in the way.
        case resourceInUse = 23
        case timedOut = 24
        case sessionFenced = 25
        /// The lease is another's now, or was reset: whoever held it stops.
        case leaseLost = 26
        case applicationNotFound = 27
        case consumerNotFound = 28
        /// The server does not know the worker, or took it for dead: it joins again.
        case notJoined = 29
    }

    public enum Retry: Hashable, Sendable {
        case never
        /// Not before so many milliseconds.
        case after(UInt32)
        case refreshShardMap
    }

    public struct Verdict: Hashable, Sendable {
        /// True when the request may have been stored.
        public let maybeStored: Bool
        public let retry: Retry

        public init(maybeStored: Bool, retry: Retry) {
            self.maybeStored = maybeStored
            self.retry = retry
        }
    }

    public let code: Code
    public let message: String
    public let verdict: Verdict

    public init(_ code: Code, _ message: String, verdict: Verdict? = nil) {
        self.code = code
        self.message = message
        self.verdict = verdict ?? code.usualVerdict
    }

    public var description: String { self.message }
}

extension WeirError.Code {
    /// The verdict where the thrower has nothing better to say.
    public var usualVerdict: WeirError.Verdict {
        switch self {
        case .throughputExceeded: .init(maybeStored: false, retry: .after(100))
        case .unavailable, .creditExceeded: .init(maybeStored: false, retry: .after(50))
        case .storageFull: .init(maybeStored: false, retry: .after(1000))
        case .resourceInUse: .init(maybeStored: false, retry: .after(100))
        case .wrongShard: .init(maybeStored: false, retry: .refreshShardMap)
        case .behind: .init(maybeStored: false, retry: .after(0))
        case .outcomeUnknown, .timedOut: .init(maybeStored: true, retry: .after(100))
        case .internalFailure: .init(maybeStored: true, retry: .after(1000))
        default: .init(maybeStored: false, retry: .never)
        }
    }

    /// The name that people and scripts see in `errorCode`.
    public var name: String {
        switch self {
        case .invalidArgument: "InvalidArgument"
        case .streamNotFound: "StreamNotFound"
        case .shardNotFound: "ShardNotFound"
        case .streamExists: "StreamExists"
        case .limitExceeded: "LimitExceeded"
        case .throughputExceeded: "ProvisionedThroughputExceeded"
        case .iteratorExpired: "ExpiredIterator"
        case .wrongShard: "WrongShard"
        case .behind: "Behind"
        case .streamDeleted: "StreamDeleted"
        case .outcomeUnknown: "OutcomeUnknown"
        case .unavailable: "Unavailable"
        case .storageFull: "StorageFull"
        case .damaged: "Damaged"
        case .malformedRequest: "MalformedRequest"
        case .unsupportedVersion: "UnsupportedVersion"
        case .frameTooLarge: "FrameTooLarge"
        case .checksumMismatch: "ChecksumMismatch"
        case .recordTooLarge: "RecordTooLarge"
        case .creditExceeded: "CreditExceeded"
        case .notAuthorized: "NotAuthorized"
        case .internalFailure: "InternalFailure"
        case .resourceInUse: "ResourceInUse"
        case .timedOut: "TimedOut"
        case .sessionFenced: "SessionFenced"
        case .leaseLost: "LeaseLost"
        case .applicationNotFound: "ApplicationNotFound"
        case .consumerNotFound: "ConsumerNotFound"
        case .notJoined: "NotJoined"
        }
    }
}
