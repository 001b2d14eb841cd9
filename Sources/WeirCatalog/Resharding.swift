// SPDX-License-Identifier: Apache-2.0
package import WeirModel

/// A split, a merge or a whole rescale, as one event: after every step the open shards tile the key space, and no
/// crash leaves it half done.
package struct Resharding: Hashable, Sendable {
    package let stream: StreamID
    package let atMillis: Int64
    /// At least one. A shard that an early step opens may be closed by a later one; such a shard takes no record.
    package let steps: [Step]

    package init(stream: StreamID, atMillis: Int64, steps: [Step]) {
        self.stream = stream
        self.atMillis = atMillis
        self.steps = steps
    }

    /// One parent and two children (a split), or two parents and one child (a merge).
    package struct Step: Hashable, Sendable {
        package let parents: [Parent]
        /// In order of their ranges, the lower with the lower number.
        package let children: [Child]

        package init(parents: [Parent], children: [Child]) {
            self.parents = parents
            self.children = children
        }
    }

    /// A shard that the step closes.
    package struct Parent: Hashable, Sendable {
        package let number: ShardNumber
        /// The index after its last record, 0 to 2^63-1; replay checks it against the log.
        package let endIndex: UInt64

        package init(number: ShardNumber, endIndex: UInt64) {
            self.number = number
            self.endIndex = endIndex
        }
    }

    /// A shard that the step opens.
    package struct Child: Hashable, Sendable {
        package let number: ShardNumber
        package let range: HashKeyRange
        /// Above the creation second of every parent; 36 bits.
        package let creationSecond: UInt64
        /// The greatest end index of the parents.
        package let firstIndex: UInt64

        package init(number: ShardNumber, range: HashKeyRange, creationSecond: UInt64, firstIndex: UInt64) {
            self.number = number
            self.range = range
            self.creationSecond = creationSecond
            self.firstIndex = firstIndex
        }
    }
}

extension Resharding.Step {
    static func isAllowed(parents: Int, children: Int) -> Bool {
        parents == 1 && children == 2 || parents == 2 && children == 1
    }

    /// What is wrong with the step by itself, whatever the shards are; `nil` when nothing is.
    var fault: String? {
        guard Self.isAllowed(parents: self.parents.count, children: self.children.count) else {
            return "a step from \(self.parents.count) parents to \(self.children.count) children"
        }
        if self.parents.count == 2, self.parents[0].number == self.parents[1].number {
            return "a merge of \(self.parents[0].number) with itself"
        }
        if self.children.count == 2, !self.children[0].range.isJustBelow(self.children[1].range) {
            return "a split into \(self.children[0].range) and \(self.children[1].range)"
        }
        for parent in self.parents {
            guard parent.endIndex <= SequenceNumber.endIndex else { return "\(parent.number) ends above every index" }
        }
        for child in self.children {
            guard child.creationSecond <= EventTime.secondMax, child.firstIndex <= SequenceNumber.endIndex else {
                return "\(child.number) begins above every sequence number"
            }
        }
        return nil
    }
}

extension HashKeyRange {
    /// Whether `other` begins at the key after the last one of this range.
    func isJustBelow(_ other: HashKeyRange) -> Bool {
        self.upper < other.lower && self.upper.value + 1 == other.lower.value
    }
}
