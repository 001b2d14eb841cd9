// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirServer

@Suite struct MemoryBudgetTests {
    @Test func `What fits is reserved, what does not is refused whole`() {
        let budget = MemoryBudget(bytesMax: 100)
        #expect(budget.reserve(60))
        #expect(!budget.reserve(41))
        #expect(budget.reservedBytes == 60)
        #expect(budget.reserve(40))
        #expect(!budget.reserve(1))
        #expect(budget.reserve(0))
        budget.release(60)
        #expect(budget.reserve(60))
        #expect(!budget.reserve(.max))
    }

    @Test func `Many at once never get more than there is`() async {
        let budget = MemoryBudget(bytesMax: 1000)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<2000 where budget.reserve(300) {
                        #expect(budget.reservedBytes <= 1000)
                        budget.release(300)
                    }
                }
            }
        }
        #expect(budget.reservedBytes == 0)
    }
}
