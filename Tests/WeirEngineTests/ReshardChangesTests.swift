// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@testable import WeirEngine

@Suite struct ReshardChangesTests {
    private func step(_ parents: [UInt32], _ children: [UInt32]) -> Resharding.Step {
        Resharding.Step(
            parents: parents.map { Resharding.Parent(number: ShardNumber($0), endIndex: 5) },
            children: children.map {
                Resharding.Child(number: ShardNumber($0), range: .all, creationSecond: 1, firstIndex: 5)
            })
    }

    @Test func `Shards that a rescale opens and closes again are neither opened nor closed`() {
        let event = CatalogEvent.resharded(
            Resharding(
                stream: StreamID(1), atMillis: 0,
                steps: [self.step([0], [4, 5]), self.step([5, 1], [6]), self.step([2, 3], [7])]))
        let changes = ReshardChanges([event])
        #expect(changes.closed == [0, 1, 2, 3].map { ShardNumber($0) })
        #expect(changes.opened == [4, 6, 7].map { ShardNumber($0) })
        #expect(ReshardChanges([]).closed.isEmpty && ReshardChanges([]).opened.isEmpty)
    }
}
