// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestKit

@testable import WeirLog

/// A state ahead of the disk and what of it is durable: a list of numbers, to which each change adds one.
@Suite struct VisibilityTests {
    struct Added: WaitingChange {
        let number: Int
        var weight: Int { self.number }
        var key: Int { self.number % 2 }
    }

    struct Refused: Error {}

    typealias List = Visibility<[Int], Added>

    private static func list(_ changes: [(lsn: UInt64, number: Int)]) -> List {
        var list = List([])
        for (lsn, number) in changes { Self.add(number, for: lsn, to: &list) }
        return list
    }

    private static func add(_ number: Int, for lsn: UInt64, to list: inout List) {
        list.plan(for: LSN(lsn)) { numbers in
            numbers.append(number)
            return Added(number: number)
        }
    }

    private static func settle(_ list: inout List, upTo lsn: UInt64) -> [Int] {
        list.settle(upTo: LSN(lsn)) { $0.append($1.number) }.map(\.number)
    }

    /// State: which commits hold a change. Event: which commit is durable.
    @Test(
        arguments: [[], [(1, 1)], [(1, 1), (1, 2)], [(1, 1), (2, 2)], [(2, 1), (2, 2), (4, 3)], [(3, 5), (9, 6)]]
            as [[(lsn: UInt64, number: Int)]])
    func theDurableStateIsThePlannedOneAsOfItsCommit(changes: [(lsn: UInt64, number: Int)]) {
        for durable in 0...10 as ClosedRange<UInt64> {
            var list = Self.list(changes)
            #expect(list.planned == changes.map(\.number) && list.durable.isEmpty)
            #expect(list.changes.map(\.number) == changes.map(\.number))
            #expect(list.weight == changes.reduce(0) { $0 + $1.number })
            let settled = changes.filter { $0.lsn <= durable }.map(\.number)
            #expect(Self.settle(&list, upTo: durable) == settled)
            #expect(list.durable == settled && list.planned == changes.map(\.number))
            #expect(list.changes.map(\.number) == changes.map(\.number).filter { !settled.contains($0) })
            #expect(list.weight == changes.reduce(0) { $0 + $1.number } - settled.reduce(0, +))
            #expect(Self.settle(&list, upTo: durable).isEmpty, "a change settles once")
        }
    }

    @Test func aChangeThatIsRefusedLeavesAllAsItWas() {
        var list = Self.list([(1, 1), (2, 2)])
        #expect(throws: Refused.self) { try list.plan(for: LSN(2)) { _ throws(Refused) in throw Refused() } }
        #expect(list.planned == [1, 2] && list.changes.count == 2 && list.weight == 3)
    }

    @Test(arguments: 0..<20) func itAgreesWithAListOfAllChanges(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var list = List([])
        var all: [(lsn: UInt64, number: Int)] = []
        var (open, durable) = (UInt64(1), UInt64(0))
        for number in 0..<300 {
            switch random.below(3) {
            case 0:
                Self.add(number, for: open, to: &list)
                all.append((open, number))
            case 1: open += UInt64(random.below(3))
            default:
                durable = min(open, durable + UInt64(random.below(4)))
                _ = Self.settle(&list, upTo: durable)
                // What is durable is closed.
                open = max(open, durable + 1)
            }
            #expect(list.durable == all.filter { $0.lsn <= durable }.map(\.number), "seed \(seed)")
            #expect(list.planned == all.map(\.number))
            for key in 0...1 {
                let waiting = all.filter { $0.lsn > durable && $0.number % 2 == key }.map(\.number)
                #expect(list.changes(of: key).map(\.number) == waiting, "seed \(seed)")
            }
            #expect(list.weight == all.filter { $0.lsn > durable }.reduce(0) { $0 + $1.number })
        }
    }
}
