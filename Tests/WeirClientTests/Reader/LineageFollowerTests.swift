// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

private func shard(_ number: UInt32, parents: [UInt32] = [], isOpen: Bool = true) -> ShardDescription {
    ShardDescription(
        number: ShardNumber(number), range: .all, parents: parents.map { ShardNumber($0) }, creationSecond: 0,
        firstIndex: 0, createdAtMillis: 0,
        closed: isOpen ? nil : .init(endIndex: 0, atMillis: 0, children: []))
}

@Suite struct LineageFollowerTests {
    @Test func parentsComeBeforeChildrenWhenAllAreListed() {
        var follower = LineageFollower(
            [shard(0, isOpen: false), shard(1), shard(2, parents: [0]), shard(3, parents: [0])],
            followsChildren: true)
        #expect(follower.takeReady() == ShardNumber(0))
        #expect(follower.takeReady() == ShardNumber(1))
        #expect(follower.takeReady() == nil)
        follower.finished(ShardNumber(0), children: [shard(2, parents: [0]), shard(3, parents: [0])])
        #expect(follower.takeReady() == ShardNumber(2))
        #expect(follower.takeReady() == ShardNumber(3))
        #expect(follower.takeReady() == nil)
        #expect(!follower.isDone)
    }

    @Test func aMergedShardWaitsForAParentThatIsNotKnownYet() {
        // 0 splits into 2 and 3, and 3 merges with 1 into 4. The end of 1 is read first.
        var follower = LineageFollower([shard(0), shard(1)], followsChildren: true)
        _ = (follower.takeReady(), follower.takeReady())
        follower.finished(ShardNumber(1), children: [shard(4, parents: [3, 1])])
        #expect(follower.takeReady() == nil)
        follower.finished(ShardNumber(0), children: [shard(2, parents: [0]), shard(3, parents: [0])])
        #expect(follower.takeReady() == ShardNumber(2))
        #expect(follower.takeReady() == ShardNumber(3))
        #expect(follower.takeReady() == nil)
        follower.finished(ShardNumber(3), children: [shard(4, parents: [3, 1])])
        #expect(follower.takeReady() == ShardNumber(4))
    }

    @Test func theTipOfAStreamDoesNotFollowChildren() {
        var follower = LineageFollower([shard(0)], followsChildren: false)
        #expect(follower.takeReady() == ShardNumber(0))
        follower.finished(ShardNumber(0), children: [shard(1, parents: [0]), shard(2, parents: [0])])
        #expect(follower.takeReady() == nil)
        #expect(follower.isDone)
    }

    @Test func aListingFillsTheGapThatAnExpiredShardLeaves() {
        var follower = LineageFollower([shard(0)], followsChildren: true)
        _ = follower.takeReady()
        follower.gone(ShardNumber(0))
        #expect(follower.needsListing)
        // 1 and 2 came of 0; 2 has expired too, and 3 came of it.
        follower.listed([shard(1, parents: [0]), shard(3, parents: [2])])
        #expect(!follower.needsListing)
        #expect(follower.takeReady() == ShardNumber(1))
        #expect(follower.takeReady() == ShardNumber(3))
        // Listing again does not bring back what is known.
        follower.finished(ShardNumber(1), children: [])
        follower.listed([shard(1, parents: [0]), shard(3, parents: [2])])
        #expect(follower.takeReady() == nil)
    }

    /// A stream that splits and merges while it is read, from any point of its life on.
    @Test(arguments: [0, 1, 2])
    func everyShardIsReadOnceAndAfterItsParentsInAnyHistory(mode: Int) async {
        for seed in UInt64(0)..<200 {
            await Task.yield()
            var dice = SeededGenerator(seed: seed * 3 + UInt64(mode))
            var history = LineageHistory(using: &dice)
            for _ in 0..<dice.below(12) { history.reshard(using: &dice) }
            let first =
                switch mode {
                case 0: history.all
                case 1: history.all.filter(\.isOpen)
                default: history.all.filter { $0.isOpen || $0.number.rawValue % 3 != 0 }
                }
            var follower = LineageFollower(first, followsChildren: true)
            let baseline = history.all.count
            var read: [ShardNumber] = []
            var running: [ShardNumber] = []
            var finished: Set<ShardNumber> = []
            let wanted: (ShardDescription) -> Bool = { shard in
                Int(shard.number.rawValue) >= baseline || first.contains { $0.number == shard.number }
            }
            for _ in 0..<400 {
                while let next = follower.takeReady() {
                    let parents = history[next].parents.filter { wanted(history[$0]) }
                    #expect(parents.allSatisfy { finished.contains($0) }, "seed \(seed): \(next) before a parent")
                    read.append(next)
                    running.append(next)
                }
                if dice.oneIn(4), history.all.count < 60 { history.reshard(using: &dice) }
                let closed = running.indices.filter { !history[running[$0]].isOpen }
                guard let position = closed.randomElement(using: &dice) else { continue }
                let shard = running.remove(at: position)
                finished.insert(shard)
                if dice.oneIn(5) {
                    follower.gone(shard)
                    follower.listed(history.all)
                } else {
                    follower.finished(shard, children: history.children(of: shard))
                }
            }
            while let next = follower.takeReady() { read.append(next) }
            #expect(Set(read).count == read.count, "seed \(seed): a shard is read twice")
            // At the end everything that is closed has been finished, so everything has been started.
            let expected = Set(history.all.filter(wanted).map(\.number))
            #expect(Set(read) == expected, "seed \(seed)")
        }
    }
}

/// A lineage made at random.
private struct LineageHistory {
    private(set) var all: [ShardDescription] = []
    private var open: [ShardNumber] = []

    init(using dice: inout SeededGenerator) {
        for number in 0..<UInt32(1 + dice.below(3)) {
            self.all.append(shard(number))
            self.open.append(ShardNumber(number))
        }
    }

    subscript(number: ShardNumber) -> ShardDescription { self.all[Int(number.rawValue)] }

    func children(of number: ShardNumber) -> [ShardDescription] { self.all.filter { $0.parents.contains(number) } }

    mutating func reshard(using dice: inout SeededGenerator) {
        let merges = self.open.count > 1 && dice.oneIn(2)
        let position = dice.below(self.open.count - (merges ? 1 : 0))
        let parents = Array(self.open[position..<position + (merges ? 2 : 1)])
        let first = UInt32(self.all.count)
        for parent in parents {
            self.all[Int(parent.rawValue)] = shard(
                parent.rawValue, parents: self[parent].parents.map(\.rawValue), isOpen: false)
        }
        let children = (first..<first + (merges ? 1 : 2)).map { ShardNumber($0) }
        for child in children { self.all.append(shard(child.rawValue, parents: parents.map(\.rawValue))) }
        self.open.replaceSubrange(position..<position + parents.count, with: children)
    }
}
