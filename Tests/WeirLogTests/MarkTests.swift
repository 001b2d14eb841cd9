// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

@Suite struct MarkTests {
    private func mark(_ term: UInt64, _ lsn: UInt64, log: UInt64 = 7) -> Mark {
        Mark(log: log, term: term, lsn: LSN(lsn))
    }

    private func watermark(
        _ term: UInt64, _ lsn: UInt64, isOver: Bool = false, before: (term: UInt64, lsn: UInt64)? = nil
    ) -> Watermark {
        Watermark(
            log: 7, term: term, lsn: LSN(lsn), isOver: isOver,
            before: before.map { Watermark.End(term: $0.term, lsn: LSN($0.lsn)) })
    }

    @Test func `A mark is judged by the watermark of its own term, and by no other`() {
        let cases: [(Watermark, Mark, Watermark.Verdict)] = [
            (self.watermark(5, 10), self.mark(5, 10), .reached),
            (self.watermark(5, 10), self.mark(5, 11), .pending),
            (self.watermark(5, 10, isOver: true), self.mark(5, 10), .reached),
            (self.watermark(5, 10, isOver: true), self.mark(5, 11), .lost),
            // The commit has landed and counts in the next term, whose watermark is higher: its outcome was unknown.
            (self.watermark(6, 90, before: (5, 10)), self.mark(5, 11), .lost),
            (self.watermark(6, 90, before: (5, 10)), self.mark(5, 10), .reached),
            (self.watermark(6, 90, before: (5, 10)), self.mark(6, 11), .reached),
            (self.watermark(6, 90, before: (5, 10)), self.mark(6, 91), .pending),
            // Of the next term, before this one is known to be over, and below what it has reached.
            (self.watermark(5, 10), self.mark(6, 3), .pending),
            (self.watermark(5, 10, isOver: true), self.mark(6, 3), .pending),
            // Of a term long over, and of one that an earlier process had.
            (self.watermark(7, 90, before: (6, 50)), self.mark(5, 3), .lost),
            (self.watermark(7, 90), self.mark(6, 3), .lost),
            (self.watermark(5, 10), self.mark(5, 3, log: 8), .lost),
            (self.watermark(5, 10), .none, .reached),
            (self.watermark(5, 10, isOver: true), self.mark(5, 0), .reached),
        ]
        for (watermark, mark, verdict) in cases {
            #expect(watermark.judge(mark) == verdict, "\(mark) by \(watermark)")
        }
    }

    @Test func `What a watermark brings depends on what was known, not on the order of coming`() {
        let cases: [(Watermark, Watermark, Watermark.News)] = [
            (self.watermark(5, 10), self.watermark(5, 10), .nothing),
            (self.watermark(5, 10), self.watermark(5, 9), .nothing),
            (self.watermark(5, 10), self.watermark(5, 11), .rose),
            (self.watermark(5, 10), self.watermark(5, 10, isOver: true), .ended),
            (self.watermark(5, 10), self.watermark(5, 12, isOver: true), .ended),
            (self.watermark(5, 12, isOver: true), self.watermark(5, 12), .nothing),
            (self.watermark(5, 12, isOver: true), self.watermark(6, 80, before: (5, 12)), .rose),
            (self.watermark(5, 10), self.watermark(6, 80, before: (5, 12)), .ended),
            (self.watermark(5, 10), self.watermark(7, 200, before: (6, 80)), .ended),
            (self.watermark(5, 12, isOver: true), self.watermark(7, 200, before: (6, 80)), .ended),
            (self.watermark(5, 12, isOver: true), self.watermark(6, 80, isOver: true, before: (5, 12)), .ended),
            (self.watermark(6, 80, before: (5, 12)), self.watermark(5, 12, isOver: true), .nothing),
        ]
        for (known, news, verdict) in cases {
            var watermark = known
            #expect(watermark.advance(to: news) == verdict, "\(known), then \(news)")
            #expect(watermark == (verdict == .nothing ? known : news))
        }
    }

    @Test func `Marks of one look are joined to the later one`() {
        #expect(self.mark(3, 4).joined(self.mark(3, 9)) == self.mark(3, 9))
        #expect(self.mark(3, 9).joined(self.mark(3, 4)) == self.mark(3, 9))
        #expect(
            self.mark(3, 9).joined(.none) == self.mark(3, 9) && Mark.none.joined(self.mark(3, 9)) == self.mark(3, 9))
        #expect(self.mark(3, 9).precedes(self.mark(4, 2)) && !self.mark(4, 2).precedes(self.mark(3, 9)))
        #expect(Mark.none.precedes(self.mark(1, 1)) && !self.mark(1, 1).precedes(self.mark(1, 1)))
    }

    @Test func `What was looked at before it was durable moves a mark, until the next look begins`() {
        var positions = TermPositions(log: 7, term: 3, cut: CommitPoint(lsn: LSN(10), checksum: 0))
        #expect(positions.lookMark == self.mark(3, 10))
        positions.look(at: LSN(12))
        positions.look(at: LSN(11))
        #expect(positions.lookMark == self.mark(3, 12))
        positions.leases = LSN(14)
        #expect(positions.lookMark == self.mark(3, 14))
        positions.beginLook()
        positions.catalog = LSN(15)
        #expect(positions.lookMark == self.mark(3, 15))
    }

    /// A log that commits, fails, and goes on; a loop that hears of it late, twice, out of order or not at all.
    private struct History {
        var random: SplitMix64
        var term: UInt64 = 1
        var next: UInt64 = 1
        var durable: UInt64 = 0
        var isOver = false
        var before: Watermark.End?
        /// The last watermark of every term.
        var ends: [UInt64: UInt64] = [:]

        var watermark: Watermark {
            Watermark(log: 7, term: self.term, lsn: LSN(self.durable), isOver: self.isOver, before: self.before)
        }

        mutating func step() {
            switch self.random.next() % 8 {
            case 0...3: if !self.isOver { self.next += 1 }
            case 4...5:
                if !self.isOver { self.durable = UInt64.random(in: self.durable..<self.next, using: &self.random) }
            default:
                if !self.isOver {
                    self.isOver = true
                    self.ends[self.term] = self.durable
                } else {
                    // What had been written may have landed and count, or not.
                    self.before = self.watermark.end
                    let landed = UInt64.random(in: self.durable..<self.next, using: &self.random)
                    self.next += 3
                    (self.term, self.durable, self.isOver) = (self.term + 1, landed, false)
                }
            }
        }

        /// Whether the log itself ever said that the mark's commit was durable, in the mark's own term.
        func wasDurable(_ mark: Mark) -> Bool {
            mark.lsn.rawValue <= (mark.term == self.term ? self.durable : self.ends[mark.term] ?? 0)
        }
    }

    @Test func `Nothing that waited in a failed term is ever told, and nobody waits when all is known`() {
        let seed = UInt64.random(in: 0...(.max))
        for round in UInt64(0)..<3_000 {
            var history = History(random: SplitMix64(seed: seed &+ round))
            var known = history.watermark
            var reports: [Watermark] = []
            var waiting: [Mark] = []
            for _ in 0..<60 {
                history.step()
                if !history.isOver {
                    waiting.append(self.mark(history.term, .random(in: 0...history.next, using: &history.random)))
                }
                if history.random.next() % 2 == 0 { reports.append(history.watermark) }
                if let report = reports.randomElement(using: &history.random), history.random.next() % 2 == 0 {
                    let (before, news) = (known, known.advance(to: report))
                    #expect(news != .nothing || known == before)
                }
                waiting.removeAll { mark in
                    switch known.judge(mark) {
                    case .reached:
                        #expect(history.wasDurable(mark), "\(mark) is told by \(known), seed \(seed &+ round)")
                        return true
                    case .lost:
                        let isExact = mark.term + 1 >= known.term
                        #expect(
                            history.ends[mark.term] != nil && !(isExact && history.wasDurable(mark)),
                            "\(mark) is lost by \(known), seed \(seed &+ round)")
                        return true
                    case .pending: return false
                    }
                }
            }
            _ = known.advance(to: history.watermark)
            #expect(known == history.watermark, "seed \(seed &+ round)")
            for mark in waiting where known.judge(mark) == .pending {
                #expect(
                    mark.term == history.term && mark.lsn.rawValue > history.durable && !history.isOver,
                    "\(mark) waits for ever, seed \(seed &+ round)")
            }
        }
    }
}

private struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
