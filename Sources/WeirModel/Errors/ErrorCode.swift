// SPDX-License-Identifier: Apache-2.0

extension WeirError {
    /// What kind of failure it is: a stable number, on the wire and in scripts.
    ///
    /// Later versions of the server may have more. A code that this version does not know keeps its number and is
    /// printed with it, and the verdict that comes with the error says what to do; so a `switch` over codes has a
    /// `default`.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }
    }
}

extension WeirError.Code {
    /// A value is outside what is allowed; the message says what is allowed.
    public static let invalidArgument = Self(rawValue: 1)
    public static let streamNotFound = Self(rawValue: 2)
    public static let shardNotFound = Self(rawValue: 3)
    public static let streamExists = Self(rawValue: 4)
    /// A count is at its limit: streams, shards, connections.
    public static let limitExceeded = Self(rawValue: 5)
    /// A shard's rate is used up.
    public static let throughputExceeded = Self(rawValue: 6)
    public static let iteratorExpired = Self(rawValue: 7)
    /// The record's hash key is not in this open shard: refresh the shard map.
    public static let wrongShard = Self(rawValue: 8)
    /// An earlier record of this session and shard was refused; re-send from there, in order.
    public static let behind = Self(rawValue: 9)
    public static let streamDeleted = Self(rawValue: 10)
    /// Nobody knows whether the put was stored: the write failed, or the connection was lost.
    public static let outcomeUnknown = Self(rawValue: 11)
    /// The node cannot take the request now (starting, recovering, draining, out of memory for it).
    public static let unavailable = Self(rawValue: 12)
    /// No room on the disk or in the log's budget.
    public static let storageFull = Self(rawValue: 13)
    /// The bytes on disk are damaged there; the message names file and range.
    public static let damaged = Self(rawValue: 14)
    public static let malformedRequest = Self(rawValue: 15)
    public static let unsupportedVersion = Self(rawValue: 16)
    public static let frameTooLarge = Self(rawValue: 17)
    public static let checksumMismatch = Self(rawValue: 18)
    public static let recordTooLarge = Self(rawValue: 19)
    /// More requests or bytes in flight than the connection's credit.
    public static let creditExceeded = Self(rawValue: 20)
    public static let notAuthorized = Self(rawValue: 21)
    public static let internalFailure = Self(rawValue: 22)
    /// Another change of the same stream or shard is in the way.
    public static let resourceInUse = Self(rawValue: 23)
    public static let timedOut = Self(rawValue: 24)
    public static let sessionFenced = Self(rawValue: 25)
    /// The lease is another's now, or was reset: whoever held it stops.
    public static let leaseLost = Self(rawValue: 26)
    public static let applicationNotFound = Self(rawValue: 27)
    public static let consumerNotFound = Self(rawValue: 28)
    /// The server does not know the worker, or took it for dead: it joins again.
    public static let notJoined = Self(rawValue: 29)
    /// The server runs no delivery of that name for the stream.
    public static let deliveryNotFound = Self(rawValue: 30)
}

extension WeirError.Code {
    /// What this version knows of a code.
    private struct Known {
        let code: WeirError.Code
        let name: String
        let usualVerdict: WeirError.Verdict

        init(
            _ code: WeirError.Code, _ name: String, maybeStored: Bool = false, retry: WeirError.Retry = .never
        ) {
            self.code = code
            self.name = name
            self.usualVerdict = WeirError.Verdict(maybeStored: maybeStored, retry: retry)
        }
    }

    /// In the order of their numbers, which are 1, 2, 3 and so on.
    private static let known: [Known] = [
        Known(.invalidArgument, "InvalidArgument"),
        Known(.streamNotFound, "StreamNotFound"),
        Known(.shardNotFound, "ShardNotFound"),
        Known(.streamExists, "StreamExists"),
        Known(.limitExceeded, "LimitExceeded"),
        Known(.throughputExceeded, "ProvisionedThroughputExceeded", retry: .after(millis: 100)),
        Known(.iteratorExpired, "ExpiredIterator"),
        Known(.wrongShard, "WrongShard", retry: .refreshShardMap),
        Known(.behind, "Behind", retry: .after(millis: 0)),
        Known(.streamDeleted, "StreamDeleted"),
        Known(.outcomeUnknown, "OutcomeUnknown", maybeStored: true, retry: .after(millis: 100)),
        Known(.unavailable, "Unavailable", retry: .after(millis: 50)),
        Known(.storageFull, "StorageFull", retry: .after(millis: 1000)),
        Known(.damaged, "Damaged"),
        Known(.malformedRequest, "MalformedRequest"),
        Known(.unsupportedVersion, "UnsupportedVersion"),
        Known(.frameTooLarge, "FrameTooLarge"),
        Known(.checksumMismatch, "ChecksumMismatch"),
        Known(.recordTooLarge, "RecordTooLarge"),
        Known(.creditExceeded, "CreditExceeded", retry: .after(millis: 50)),
        Known(.notAuthorized, "NotAuthorized"),
        Known(.internalFailure, "InternalFailure", maybeStored: true, retry: .after(millis: 1000)),
        Known(.resourceInUse, "ResourceInUse", retry: .after(millis: 100)),
        Known(.timedOut, "TimedOut", maybeStored: true, retry: .after(millis: 100)),
        Known(.sessionFenced, "SessionFenced"),
        Known(.leaseLost, "LeaseLost"),
        Known(.applicationNotFound, "ApplicationNotFound"),
        Known(.consumerNotFound, "ConsumerNotFound"),
        Known(.notJoined, "NotJoined"),
        Known(.deliveryNotFound, "DeliveryNotFound"),
    ]

    private var known: Known? {
        let place = Int(self.rawValue) - 1
        return Self.known.indices.contains(place) ? Self.known[place] : nil
    }

    /// The codes that this version knows.
    package static var allCases: [WeirError.Code] { Self.known.map(\.code) }

    /// The verdict where the thrower has nothing better to say.
    public var usualVerdict: WeirError.Verdict {
        self.known?.usualVerdict ?? WeirError.Verdict(maybeStored: true, retry: .never)
    }

    /// The name that people and scripts see in `errorCode`; `Error900` for a code 900 of a later version.
    public var name: String { self.known?.name ?? "Error\(self.rawValue)" }

    public var description: String { self.name }
}
