// SPDX-License-Identifier: Apache-2.0

/// The rates of one shard, per second; `nil` is no limit. Data, so that a stream carries its own.
public struct RateLimits: Hashable, Sendable {
    /// Bytes of data and partition keys taken in.
    public var bytesIn: Int64?
    public var recordsIn: Int64?
    /// Bytes of data and partition keys given out to readers that share the shard.
    public var bytesOut: Int64?
    /// GetRecords calls that return records.
    public var readsOut: Int64?

    public init(bytesIn: Int64?, recordsIn: Int64?, bytesOut: Int64?, readsOut: Int64?) {
        self.bytesIn = bytesIn
        self.recordsIn = recordsIn
        self.bytesOut = bytesOut
        self.readsOut = readsOut
    }

    /// The rates of Kinesis (docs/kinesis-semantics.md, Limits): 1 MiB and 1,000 records in, 2 MiB and 5 reads out.
    public static let kinesis = RateLimits(bytesIn: 1 << 20, recordsIn: 1000, bytesOut: 2 << 20, readsOut: 5)
    public static let open = RateLimits(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: nil)
}

extension RateLimits: CustomStringConvertible {
    /// `kinesis`, `open`, or the explicit form that `init(parsing:)` reads.
    public var description: String {
        if self == .kinesis { return "kinesis" }
        if self == .open { return "open" }
        return Self.keys.compactMap { key in self[keyPath: key.path].map { "\(key.name)=\($0)" } }
            .joined(separator: ",")
    }

    private static var keys: [(name: String, path: WritableKeyPath<RateLimits, Int64?>)] {
        [
            ("bytes-in", \.bytesIn), ("records-in", \.recordsIn), ("bytes-out", \.bytesOut), ("reads-out", \.readsOut),
        ]
    }

    /// Reads `kinesis`, `open`, or `KEY=VALUE,...` with the keys bytes-in, records-in, bytes-out and reads-out, each
    /// a whole number from 1 or `none`; a key that is not named has no limit.
    public init(parsing text: String) throws(WeirError) {
        switch text {
        case "kinesis": self = .kinesis
        case "open": self = .open
        default:
            var limits = RateLimits.open
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2, let key = Self.keys.first(where: { $0.name == pair[0] }),
                    pair[1] == "none" || (Int64(pair[1]).map { $0 >= 1 } ?? false)
                else {
                    throw WeirError(
                        .invalidArgument,
                        "limits '\(text.prefix(140))' are not 'kinesis', 'open', or KEY=VALUE pairs joined by ',' with "
                            + "the keys bytes-in, records-in, bytes-out, reads-out and a whole number from 1 or 'none'")
                }
                limits[keyPath: key.path] = Int64(pair[1])
            }
            self = limits
        }
    }
}
