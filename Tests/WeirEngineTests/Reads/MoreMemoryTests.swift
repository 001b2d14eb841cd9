// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirEngine

@Suite struct MoreMemoryTests {
    /// Sizes around what the read has already, and around what there is.
    @Test(arguments: [0, 1, 9, 10, 11, 59, 60, 61, 100, 101])
    func `A read from the disk reserves what goes beyond its own part, or nothing when that does not fit`(bytes: Int) {
        let budget = MemoryBudget(bytesMax: 100)
        // Its own 10, and 40 of others.
        #expect(budget.reserve(50))
        let more = MoreMemory(budget, beyond: 10)
        let isThere = bytes <= 60
        #expect(more.claim(bytes) == isThere)
        #expect(budget.reservedBytes == (isThere ? max(50, 40 + bytes) : 50))
        // Asked again for the same batch it takes nothing more.
        #expect(more.claim(bytes) == isThere)
        #expect(budget.reservedBytes == (isThere ? max(50, 40 + bytes) : 50))
        #expect(more.handOver() == budget.reservedBytes - 40)
        #expect(more.handOver() == 10, "the rest is somebody else's by now")
    }

    @Test func `Reads that each get a large batch take no more than there is together`() {
        let budget = MemoryBudget(bytesMax: 100)
        let reads = (0..<10).map { _ in MoreMemory(budget, beyond: 1) }
        for _ in reads { #expect(budget.reserve(1)) }
        let claims = reads.map { $0.claim(30) }
        #expect(claims == [true, true, true] + Array(repeating: false, count: 7))
        #expect(budget.reservedBytes <= budget.bytesMax)
        for read in reads { budget.release(read.handOver()) }
        #expect(budget.reservedBytes == 0)
    }
}
