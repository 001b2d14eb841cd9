// SPDX-License-Identifier: Apache-2.0
import WeirModel

enum ShardCount {
    static func check(_ count: UInt32) throws(WeirError) {
        let allowed = Limits.shardsPerStream
        guard allowed.contains(Int(count)) else {
            throw WeirError(
                .invalidArgument,
                "\(count) shards are not allowed: \(allowed.lowerBound) to \(allowed.upperBound) a stream")
        }
    }
}

enum PageLimit {
    static func check(_ limit: UInt32) throws(WeirError) {
        guard (1...UInt32(Wire.pageMax)).contains(limit) else {
            throw WeirError(.invalidArgument, "a limit of \(limit) is not allowed: 1 to \(Wire.pageMax)")
        }
    }
}

enum ShardOfNumber {
    /// A sequence number names its shard, so one of another shard is told without a look at the log.
    static func check(_ number: SequenceNumber, is shard: ShardNumber, _ what: String) throws(WeirError) {
        guard number.shard == shard else {
            throw WeirError(
                .invalidArgument,
                "\(what) of \(shard) is one of its own sequence numbers; \(number) is of \(number.shard)")
        }
    }
}
