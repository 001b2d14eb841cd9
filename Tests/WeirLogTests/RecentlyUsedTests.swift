// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirLog

@Suite struct RecentlyUsedTests {
    @Test func theLongestUnusedGoesForOneMore() {
        var recent = RecentlyUsed<Int>(max: 3)
        var gone = [1, 2, 3].map { recent.use($0) }
        #expect(gone == [nil, nil, nil])
        gone = [1, 4, 5].map { recent.use($0) }
        #expect(gone == [nil, 2, 3], "1 was kept already, and was used again")
        recent.forget(1)
        recent.forget(99)
        gone = [6, 7].map { recent.use($0) }
        #expect(gone == [nil, 4], "there was room for one")
        #expect(recent.count == 3)
    }

    @Test(arguments: [-1, 0, 1])
    func atLeastOneIsKept(max: Int) {
        var recent = RecentlyUsed<String>(max: max)
        let gone = ["a", "b"].map { recent.use($0) }
        #expect(gone == [nil, "a"])
        #expect(recent.count == 1)
    }

    /// Against a plain list of uses.
    @Test(arguments: [1, 2, 3, 8, 64])
    func itAgreesWithAListWhateverIsUsed(max: Int) {
        let seed = UInt64.random(in: 1...UInt64.max)
        print("seed \(seed)")
        var state = seed
        func draw(_ count: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(count))
        }
        var recent = RecentlyUsed<Int>(max: max)
        var list: [Int] = []
        for step in 0..<2000 {
            let key = draw(max * 2 + 2)
            list.removeAll { $0 == key }
            if draw(8) == 0 {
                recent.forget(key)
            } else {
                list.append(key)
                let expected = list.count > max ? list.removeFirst() : nil
                let gone = recent.use(key)
                #expect(gone == expected, "step \(step) of seed \(seed)")
            }
            #expect(recent.count == list.count, "step \(step) of seed \(seed)")
        }
    }
}
