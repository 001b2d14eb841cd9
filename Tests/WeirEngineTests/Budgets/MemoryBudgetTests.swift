// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirEngine

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

    @Test func `Who waits gets memory in turn: a small request does not pass a large one`() {
        let budget = MemoryBudget(bytesMax: 100)
        let granted = Mutex<[Int]>([])
        func want(_ bytes: Int) -> MemoryBudget.Ticket? {
            budget.reserve(bytes) { granted.withLock { $0.append(bytes) } }
        }
        #expect(want(60) == nil, "it fits")
        #expect(want(90) != nil)
        #expect(want(10) != nil, "it would fit, and somebody waits")
        budget.release(0)
        #expect(granted.withLock { $0 } == [] && budget.reservedBytes == 60)
        budget.release(49)
        #expect(granted.withLock { $0 } == [])
        budget.release(1)
        #expect(granted.withLock { $0 } == [90] && budget.reservedBytes == 100)
        budget.release(90)
        #expect(granted.withLock { $0 } == [90, 10] && budget.reservedBytes == 20)
        #expect(want(80) == nil, "nobody waits any more")
    }

    @Test func `Who gives up its place lets those behind it pass, and what was granted stays reserved`() throws {
        let budget = MemoryBudget(bytesMax: 100)
        let granted = Mutex<[Int]>([])
        #expect(budget.reserve(60))
        let large = try #require(budget.reserve(90) { granted.withLock { $0.append(90) } })
        let small = try #require(budget.reserve(40) { granted.withLock { $0.append(40) } })
        #expect(budget.cancel(large))
        #expect(granted.withLock { $0 } == [40] && budget.reservedBytes == 100)
        #expect(!budget.cancel(small) && !budget.cancel(large))
        #expect(budget.reservedBytes == 100)
    }

    @Test func `More than there is at all is granted when nothing else is reserved`() {
        let budget = MemoryBudget(bytesMax: 100)
        let granted = Mutex(0)
        #expect(budget.reserve(1))
        #expect(budget.reserve(101) { granted.withLock { $0 += 1 } } != nil)
        budget.release(1)
        #expect(granted.withLock { $0 } == 1 && budget.reservedBytes == 101)
        budget.release(101)
        #expect(budget.reserve(100))
    }

    @Test func `Nobody waits for ever while others release`() async {
        let budget = MemoryBudget(bytesMax: 1000)
        await withTaskGroup(of: Void.self) { group in
            for waiter in 0..<8 {
                group.addTask {
                    let bytes = waiter == 0 ? 1000 : 300
                    for _ in 0..<500 {
                        await withCheckedContinuation { done in
                            if budget.reserve(bytes, orWait: { done.resume() }) == nil { done.resume() }
                        }
                        budget.release(bytes)
                    }
                }
            }
        }
        #expect(budget.reservedBytes == 0)
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
