// SPDX-License-Identifier: Apache-2.0

/// How far an application has processed a shard. They are ordered as in KCL: a time, the trim horizon, numbers, the end
/// of the shard. LATEST is no checkpoint: it is resolved to a number when the lease is made, so that a worker which
/// starts late misses nothing.
public enum LeaseCheckpoint: Hashable, Sendable {
    /// From the first record that arrived at or after this time.
    case at(Timestamp)
    /// From the oldest record that is still there.
    case trimHorizon
    /// Processed through this record. Of an aggregated record only through the user record `subSequence`, counted from
    /// 0; `nil` is the whole record.
    case sequenceNumber(SequenceNumber, subSequence: UInt64?)
    /// The shard is closed and all of it was processed: its children may begin.
    case shardEnd

    private var rank: Int {
        switch self {
        case .at: 0
        case .trimHorizon: 1
        case .sequenceNumber: 2
        case .shardEnd: 3
        }
    }

    /// Whether going from `earlier` to this loses nothing that was processed. Of one shard.
    public func isAtOrAfter(_ earlier: LeaseCheckpoint) -> Bool {
        guard case .sequenceNumber(let number, let sub) = self,
            case .sequenceNumber(let before, let subBefore) = earlier
        else { return self.rank > earlier.rank || self == earlier }
        if number.index != before.index { return number.index > before.index }
        return (sub ?? .max) >= (subBefore ?? .max)
    }
}

extension LeaseCheckpoint {
    /// As `at`, in milliseconds since 1970.
    package static func atTimestamp(_ millis: Int64) -> LeaseCheckpoint {
        .at(Timestamp(millisecondsSince1970: millis))
    }

    /// Where who has come so far reads on; `nil` at the end of a shard. A record of which only the first user records
    /// are processed is read again.
    package var readingStart: ShardIteratorType? {
        switch self {
        case .at(let time): .at(time)
        case .trimHorizon: .trimHorizon
        case .sequenceNumber(let number, nil): .afterSequenceNumber(number)
        case .sequenceNumber(let number, .some): .atSequenceNumber(number)
        case .shardEnd: nil
        }
    }
}

extension LeaseCheckpoint: CustomStringConvertible {
    /// As KCL's table shows it.
    public var description: String {
        switch self {
        case .at(let time): "AT_TIMESTAMP(\(time.millisecondsSince1970))"
        case .trimHorizon: "TRIM_HORIZON"
        case .sequenceNumber(let number, nil): "\(number)"
        case .sequenceNumber(let number, let sub?): "\(number)/\(sub)"
        case .shardEnd: "SHARD_END"
        }
    }
}
