// SPDX-License-Identifier: Apache-2.0

/// A shard of the node: its stream and its number there. What the log keys its indexes by.
package struct ShardRef: Hashable, Sendable, CustomStringConvertible {
    package let stream: StreamID
    package let shard: ShardNumber

    package init(stream: StreamID, shard: ShardNumber) {
        self.stream = stream
        self.shard = shard
    }

    package var description: String { "\(self.shard) of \(self.stream)" }
}
