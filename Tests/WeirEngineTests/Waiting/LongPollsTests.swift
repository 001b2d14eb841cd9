// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirEngine
import WeirModel
import WeirTestKit

@Suite struct LongPollsTests {
    private func shard(_ number: UInt32) -> ShardRef { ShardRef(stream: StreamID(1), shard: ShardNumber(number)) }

    @Test func `A shard with something new wakes those who wait for it, first come first, once`() {
        var polls = LongPolls<Int>()
        polls.add(3, shard: self.shard(1), deadlineNanos: nil)
        polls.add(1, shard: self.shard(1), deadlineNanos: 100)
        polls.add(2, shard: self.shard(2), deadlineNanos: nil)
        #expect(polls.wake(self.shard(1)) == [3, 1])
        #expect(polls.wake(self.shard(1)) == [])
        #expect(polls.count == 1)
        #expect(polls.expire(nowNanos: 1000) == [], "who was woken is not woken again by its time")
        #expect(polls.wake(self.shard(2)) == [2])
    }

    @Test func `Who has waited long enough is told, soonest first`() {
        var polls = LongPolls<Int>()
        for (waiter, deadline) in [(1, 50), (2, 10), (3, 30), (4, 20)] as [(Int, UInt64)] {
            polls.add(waiter, shard: self.shard(1), deadlineNanos: deadline)
        }
        #expect(polls.nextDeadlineNanos == 10)
        #expect(polls.expire(nowNanos: 9) == [])
        #expect(polls.expire(nowNanos: 30) == [2, 4, 3])
        #expect(polls.nextDeadlineNanos == 50)
        #expect(polls.wake(self.shard(1)) == [1])
    }

    @Test func `Who waits anew forgets what it waited for before`() {
        var polls = LongPolls<Int>()
        polls.add(1, shard: self.shard(1), deadlineNanos: 10)
        polls.add(1, shard: self.shard(2), deadlineNanos: 20)
        #expect(polls.count == 1)
        #expect(polls.wake(self.shard(1)) == [])
        #expect(polls.expire(nowNanos: 15) == [])
        #expect(polls.expire(nowNanos: 20) == [1])
        #expect(polls.count == 0)
    }

    @Test func `Who leaves is neither woken nor told`() {
        var polls = LongPolls<Int>()
        polls.add(1, shard: self.shard(1), deadlineNanos: 10)
        polls.add(2, shard: self.shard(1), deadlineNanos: 10)
        polls.remove(1)
        polls.remove(7)
        #expect(polls.wake(self.shard(1)) == [2])
        #expect(polls.expire(nowNanos: 100) == [])
    }

    @Test func `Everybody can be woken, and a time alone can be waited for`() {
        var polls = LongPolls<Int>()
        polls.add(5, shard: nil, deadlineNanos: 10)
        polls.add(2, shard: self.shard(2), deadlineNanos: nil)
        polls.add(9, shard: self.shard(1), deadlineNanos: 3)
        #expect(polls.wakeAll() == [5, 2, 9])
        #expect(polls.count == 0 && polls.nextDeadlineNanos == nil)
        polls.add(5, shard: nil, deadlineNanos: 10)
        #expect(polls.expire(nowNanos: 10) == [5])
    }

    @Test func `Deadlines of those who were woken do not pile up`() {
        var polls = LongPolls<Int>()
        for waiter in 0..<100_000 {
            polls.add(waiter, shard: self.shard(1), deadlineNanos: UInt64(1_000_000 + waiter))
            if waiter.isMultiple(of: 10) { _ = polls.wake(self.shard(1)) }
        }
        #expect(polls.keptDeadlines <= 200)
    }

    @Test func `Any history wakes exactly those who wait`() {
        let seed = UInt64.random(in: 0...(.max))
        var random = SplitMix64(seed: seed)
        for _ in 0..<50 {
            var polls = LongPolls<Int>()
            var model: [Int: (shard: UInt32, deadline: UInt64)] = [:]
            var now: UInt64 = 0
            for _ in 0..<300 {
                switch Int.random(in: 0..<4, using: &random) {
                case 0, 1:
                    let waiter = Int.random(in: 0..<30, using: &random)
                    let shard = UInt32.random(in: 0..<4, using: &random)
                    let deadline = now + UInt64.random(in: 1...50, using: &random)
                    polls.add(waiter, shard: self.shard(shard), deadlineNanos: deadline)
                    model[waiter] = (shard, deadline)
                case 2:
                    let shard = UInt32.random(in: 0..<4, using: &random)
                    let woken = Set(polls.wake(self.shard(shard)))
                    #expect(woken == Set(model.filter { $0.value.shard == shard }.keys), "seed \(seed)")
                    model = model.filter { $0.value.shard != shard }
                default:
                    now += UInt64.random(in: 0...20, using: &random)
                    let expired = Set(polls.expire(nowNanos: now))
                    #expect(expired == Set(model.filter { $0.value.deadline <= now }.keys), "seed \(seed)")
                    model = model.filter { $0.value.deadline > now }
                }
                #expect(polls.count == model.count, "seed \(seed)")
            }
        }
    }
}
