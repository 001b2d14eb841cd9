// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirEngine
import WeirTestKit

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

    /// Against a plain list of those who wait, with sizes around what is left.
    @Test func `Whatever is asked, given back and given up, each gets its memory in turn`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        let budget = MemoryBudget(bytesMax: 100)
        let granted = Mutex<[Int]>([])
        var (held, waiting): ([Int: Int], [(number: Int, bytes: Int, ticket: MemoryBudget.Ticket)]) = ([:], [])
        for number in 0..<20_000 {
            switch random.below(10) {
            case 0...4 where waiting.count < 200:
                let left = max(1, 100 - budget.reservedBytes)
                let bytes = random.pick([1, left - 1, left, left + 1, 100, random.within(1...60)])
                let mustWait = !waiting.isEmpty || held.values.reduce(0, +) + bytes > 100
                let ticket = budget.reserve(bytes) { granted.withLock { $0.append(number) } }
                #expect((ticket != nil) == mustWait, "seed \(seed)")
                if let ticket { waiting.append((number, bytes, ticket)) } else { held[number] = bytes }
            case 5...7:
                guard let chosen = held.keys.sorted().randomElement(using: &random) else { continue }
                budget.release(held.removeValue(forKey: chosen) ?? 0)
            default:
                guard !waiting.isEmpty else { continue }
                #expect(budget.cancel(waiting.remove(at: random.below(waiting.count)).ticket), "seed \(seed)")
            }
            var expected: [Int] = []
            // One that wants more than there is at all gets it when nothing else is reserved: what holds no bytes does
            // not keep it waiting.
            while let first = waiting.first, case let used = held.values.reduce(0, +),
                used == 0 || used + first.bytes <= 100
            {
                waiting.removeFirst()
                held[first.number] = first.bytes
                expected.append(first.number)
            }
            #expect(granted.withLock { $0 } == expected, "seed \(seed)")
            granted.withLock { $0 = [] }
            #expect(budget.reservedBytes == held.values.reduce(0, +), "seed \(seed)")
        }
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
