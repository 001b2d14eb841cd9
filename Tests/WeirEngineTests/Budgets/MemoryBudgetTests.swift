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

    @Test func `Who waits is told of a release, once, and of none that came before`() {
        let budget = MemoryBudget(bytesMax: 100)
        let told = Mutex<[Int]>([])
        #expect(budget.reserve(100))
        budget.whenReleased(1) { told.withLock { $0.append(1) } }
        budget.whenReleased(1) { told.withLock { $0.append(10) } }
        budget.whenReleased(2) { told.withLock { $0.append(2) } }
        budget.release(0)
        #expect(told.withLock { $0 } == [])
        budget.release(1)
        #expect(told.withLock { $0.sorted() } == [2, 10])
        budget.release(1)
        #expect(told.withLock { $0.count } == 2)
    }

    @Test func `Nobody waits for ever while others release`() async {
        let budget = MemoryBudget(bytesMax: 1000)
        await withTaskGroup(of: Void.self) { group in
            for waiter in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        while !budget.reserve(300) {
                            // The order that keeps a release between the two from being missed.
                            await withCheckedContinuation { done in
                                let once = Mutex<CheckedContinuation<Void, Never>?>(done)
                                let wake: @Sendable () -> Void = {
                                    once.withLock { waiting in
                                        defer { waiting = nil }
                                        return waiting
                                    }?.resume()
                                }
                                budget.whenReleased(waiter, wake)
                                if budget.reserve(300) {
                                    budget.release(300)
                                    wake()
                                }
                            }
                        }
                        budget.release(300)
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
