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
}

extension RateLimits: CustomStringConvertible {
    /// The form that `init(parsing:)` reads; every key is named when there is no limit at all.
    public var description: String {
        let limited = Self.keys.compactMap { key in self[keyPath: key.path].map { "\(key.name)=\($0)" } }
        return (limited.isEmpty ? Self.keys.map { "\($0.name)=none" } : limited).joined(separator: ",")
    }

    private static var keys: [(name: String, path: WritableKeyPath<RateLimits, Int64?>)] {
        [
            ("bytes-in", \.bytesIn), ("records-in", \.recordsIn), ("bytes-out", \.bytesOut), ("reads-out", \.readsOut),
        ]
    }

    static let form =
        "KEY=VALUE pairs joined by ',' with the keys bytes-in, records-in, bytes-out, reads-out and a whole number "
        + "from 1 or 'none'"

    /// Reads `KEY=VALUE,...` with the keys bytes-in, records-in, bytes-out and reads-out, each a whole number from 1 or
    /// `none`; a key that is not named has no limit.
    public init(parsing text: String) throws(WeirError) {
        self.init(bytesIn: nil, recordsIn: nil, bytesOut: nil, readsOut: nil)
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, let key = Self.keys.first(where: { $0.name == pair[0] }),
                pair[1] == "none" || (Int64(pair[1]).map { $0 >= 1 } ?? false)
            else {
                throw WeirError(.invalidArgument, "limits '\(text.prefix(140))' are not \(Self.form)")
            }
            self[keyPath: key.path] = Int64(pair[1])
        }
    }
}
