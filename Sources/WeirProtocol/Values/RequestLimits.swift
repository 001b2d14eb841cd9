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
