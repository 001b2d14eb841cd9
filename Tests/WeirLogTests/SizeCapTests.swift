// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// Which segments a size cap takes, from the newest to the oldest.
@Suite struct SizeCapTests {
    /// Bytes in segments, the newest first, and how many of them stay.
    @Test(arguments: [
        ([], 0, 0), ([1], 1, 1), ([100], 1, 1), ([1000], 1, 1),
        ([99, 50], 2, 1), ([100, 1], 1, 1), ([101, 1], 1, 1), ([99, 1], 2, 2), ([99, 2], 2, 1),
        ([50, 49, 1, 1], 3, 3), ([50, 50, 1, 1], 2, 2), ([49, 49, 49], 3, 2), ([50, 51], 2, 1), ([49, 52], 2, 2),
        ([0, 0, 5000, 1], 3, 3),
    ])
    func aSegmentStaysUntilNewerOnesFillTheCap(_ segments: [Int64], _ stay: Int, _ stayInAFullLog: Int) {
        #expect(self.kept(segments, 100, isShort: false) == stay)
        #expect(self.kept(segments, 100, isShort: true) == stayInAFullLog)
    }

    /// A full log gives up a segment only where the stream is beyond its cap, and never more than half of the cap.
    @Test func itLeavesTheNewestAndNoMoreThanASegmentBesideThem() {
        // All logs of up to five segments, with sizes around the cap and around half of it.
        let sizes: [Int64] = [1, 2, 3, 4, 6, 7, 9]
        var logs: [[Int64]] = [[]]
        for count in 0..<5 { logs += logs.filter { $0.count == count }.flatMap { log in sizes.map { log + [$0] } } }
        #expect(logs.count == 19_608)
        for segments in logs {
            let all = segments.reduce(0, +)
            for (cap, isShort) in [(6, false), (6, true), (7, true)] as [(Int64, Bool)] {
                let kept = self.kept(segments, cap, isShort: isShort)
                let bytes = segments.prefix(kept).reduce(0, +)
                let holds =
                    bytes >= min(all, isShort ? cap / 2 : cap) && bytes - (segments.prefix(kept).last ?? 0) < cap
                    && (all > cap || kept == segments.count)
                if !holds { Issue.record("of \(segments) \(kept) stay, the cap is \(cap)") }
            }
        }
    }

    private func kept(_ segments: [Int64], _ cap: Int64, isShort: Bool) -> Int {
        let sizeCap = SizeCap(maxBytes: cap, isShortOfSpace: isShort)
        var newer: Int64 = 0
        return segments.firstIndex { bytes in
            defer { newer += bytes }
            return sizeCap.takes(bytes, behind: newer)
        } ?? segments.count
    }
}
