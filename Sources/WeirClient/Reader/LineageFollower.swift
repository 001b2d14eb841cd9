// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Decides which shards of a stream may be read now: each that belongs to the reading exactly once, and none before all
/// its parents are finished. Pure.
///
/// Shards are numbered in the order in which they were made, and a shard made by a split or a merge has a higher number
/// than its parents. So the shards of the first listing are those up to its highest number (which is always an open
/// one), and every later one descends from them.
package struct LineageFollower {
    private enum State {
        case waiting
        case ready
        case running
    }

    private struct Node {
        let parents: [ShardNumber]
        var state = State.waiting
    }

    /// Known, to be read, and not finished.
    private var nodes: [ShardNumber: Node] = [:]
    private var finished: Set<ShardNumber> = []
    /// Made after the first listing, and gone before anybody learned of them.
    private var absent: Set<ShardNumber> = []
    /// May start, in the order in which that came about.
    private var ready = Queue<ShardNumber>()
    /// Nodes by each of their parents that may still have to be finished.
    private var dependents: [ShardNumber: [ShardNumber]] = [:]
    private let baseline: ShardNumber
    private let followsChildren: Bool
    /// Shards have gone whose children are not known: list the shards, then call `listed`.
    package private(set) var needsListing = false
    /// Shards that were taken and are not finished.
    package private(set) var runningCount = 0

    /// `shards`: those to read of a listing that held all open shards. `followsChildren`: shards made later are read
    /// too.
    package init(_ shards: [ShardDescription], followsChildren: Bool) {
        self.baseline = shards.map(\.number).max() ?? ShardNumber(0)
        self.followsChildren = followsChildren
        for shard in shards { self.add(shard) }
        for shard in shards.map(\.number).sorted() { self.consider(shard) }
    }

    /// Nothing is left to read. Never so for an open stream whose children are followed.
    package var isDone: Bool { self.nodes.isEmpty }

    /// A shard to read from now on; `nil` when none may start.
    package mutating func takeReady() -> ShardNumber? {
        guard let shard = self.ready.popFirst() else { return nil }
        self.nodes[shard]?.state = .running
        self.runningCount += 1
        return shard
    }

    /// Whether the shard is one of those that were there at the start.
    package func isOfFirstListing(_ shard: ShardNumber) -> Bool { shard <= self.baseline }

    /// A running shard was read to its end, where it names its children.
    package mutating func finished(_ shard: ShardNumber, children: [ShardDescription]) {
        guard self.nodes[shard]?.state == .running else { return }
        self.nodes[shard] = nil
        self.runningCount -= 1
        self.finished.insert(shard)
        for child in children { self.learn(child) }
        for dependent in self.dependents.removeValue(forKey: shard) ?? [] { self.consider(dependent) }
    }

    /// A running shard is not there any more, so nobody says what its children are.
    package mutating func gone(_ shard: ShardNumber) {
        self.finished(shard, children: [])
        self.needsListing = self.followsChildren
    }

    /// All shards that can be listed now.
    package mutating func listed(_ shards: [ShardDescription]) {
        self.needsListing = false
        for shard in shards { self.learn(shard) }
        let listed = Set(shards.map(\.number))
        let waiting = self.nodes.filter { $0.value.state == .waiting }
        for node in waiting.values {
            // Whoever is a parent of a known shard is older than this listing; what it does not name has expired.
            for parent in node.parents where self.isUnknown(parent) && !listed.contains(parent) {
                self.absent.insert(parent)
            }
        }
        for shard in waiting.keys.sorted() { self.consider(shard) }
    }

    private mutating func learn(_ shard: ShardDescription) {
        guard self.followsChildren, shard.number > self.baseline, self.nodes[shard.number] == nil,
            !self.finished.contains(shard.number)
        else { return }
        self.add(shard)
        self.consider(shard.number)
    }

    private mutating func add(_ shard: ShardDescription) {
        self.nodes[shard.number] = Node(parents: shard.parents)
        for parent in shard.parents where !self.finished.contains(parent) {
            self.dependents[parent, default: []].append(shard.number)
        }
    }

    /// Made after the first listing, so it belongs to the reading, but nobody has named it yet but a child.
    private func isUnknown(_ shard: ShardNumber) -> Bool {
        shard > self.baseline && self.nodes[shard] == nil && !self.finished.contains(shard)
            && !self.absent.contains(shard)
    }

    private mutating func consider(_ shard: ShardNumber) {
        guard let node = self.nodes[shard], node.state == .waiting,
            node.parents.allSatisfy({ self.nodes[$0] == nil && !self.isUnknown($0) })
        else { return }
        self.nodes[shard]?.state = .ready
        self.ready.append(shard)
    }
}
