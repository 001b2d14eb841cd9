// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestKit

@testable import WeirLog

/// The files of a log: each in one state, and what every event makes of it.
@Suite struct SegmentPoolTests {
    typealias Pool = SegmentPool<String, String>

    private static let size = 64 << 10

    static func pool(_ budget: Int64 = 64 << 20, free: Int64 = 1 << 30, nextFile: UInt64 = 1) -> Pool {
        Pool(
            budget: LogBudget(
                segmentBytesMin: Self.size, segmentBytesMax: 4 * Self.size, logBytesMax: budget,
                freeBytesFloor: 256 << 10),
            disk: DiskSpace(free: free, total: 1 << 30), nextOrder: 1, nextFile: nextFile)
    }

    // MARK: State and event

    /// Where a file is; the events lead it there.
    enum State: CaseIterable {
        case free, preparingNew, preparingAgain, ready, filling, dropping, removing, setAside

        /// A pool with one file, number 1, in this state.
        func pool() -> Pool {
            var pool = SegmentPoolTests.pool(nextFile: [.free, .removing].contains(self) ? 7 : 1)
            switch self {
            case .free: pool.adopt(free: [PoolFile(file: 1, useCount: 3, size: SegmentPoolTests.size)], inUse: 0)
            case .preparingNew: _ = pool.plan(atLeast: 0, size: SegmentPoolTests.size, isAhead: true)
            case .preparingAgain:
                pool = State.free.pool()
                _ = pool.plan(atLeast: 0, size: SegmentPoolTests.size, isAhead: true)
            case .ready:
                pool = State.preparingNew.pool()
                pool.made(1, "one", size: SegmentPoolTests.size, filledTo: 8192, activeOrder: nil)
            case .filling:
                pool = State.ready.pool()
                _ = pool.takeFill(nowNanos: 0, isIdle: true, pieceMax: 16_384)
            case .dropping:
                pool = State.ready.pool()
                if case .segment(let one) = pool.take(bytes: 0, entries: 0) { pool.drop(one, lsn: LSN(5)) }
            case .removing:
                pool.adopt(free: [PoolFile(file: 1, useCount: 3, size: 4096)], inUse: 0)
                _ = pool.takeUseless()
            case .setAside:
                pool = State.preparingAgain.pool()
                pool.failed(1, "io", file: .failed)
            }
            return pool
        }

        static func of(_ pool: Pool) -> String {
            if let file = pool.free.first(where: { $0.file == 1 }) { return "free, use \(file.useCount)" }
            if let plan = pool.preparing.first(where: { $0.file.file == 1 }) {
                return "preparing, use \(plan.file.useCount)"
            }
            if let one = pool.ready.first(where: { $0.file.file == 1 }) {
                return one.isFilling ? "filling" : "ready to \(one.filledTo)"
            }
            if !pool.dropping.isEmpty { return "dropping" }
            if !pool.removing.isEmpty { return "removing" }
            if !pool.setAside.isEmpty { return "set aside" }
            return "away"
        }
    }

    /// What every event that may come makes of a file, state by state.
    @Test func theTableOfStatesAndEvents() {
        let size = Self.size
        func check(
            _ state: State, _ event: String, _ wanted: String, line: UInt = #line, _ body: (inout Pool) -> Void
        ) {
            var pool = state.pool()
            body(&pool)
            #expect(State.of(pool) == wanted, "\(state), \(event)")
        }
        for state in State.allCases {
            let before = State.of(state.pool())
            for (event, change) in Self.harmless { check(state, event, before, change) }
            // Another file is planned.
            if state != .free {
                check(state, "plan", before) { _ = $0.plan(atLeast: 0, size: size, isAhead: true) }
            }
        }
        check(.free, "plan", "preparing, use 4") { _ = $0.plan(atLeast: 0, size: size, isAhead: true) }
        check(.free, "plan of a larger one", "free, use 3") {
            _ = $0.plan(atLeast: size + 1, size: size, isAhead: true)
        }
        check(.free, "plan of a much larger one", "free, use 3") {
            _ = $0.plan(atLeast: 0, size: size * 4 + 4, isAhead: true)
        }
        check(.preparingNew, "made", "ready to 9000") { $0.made(1, "", size: size, filledTo: 9000, activeOrder: nil) }
        check(.preparingNew, "made late", "free, use 1") { $0.made(1, "", size: size, filledTo: 0, activeOrder: 2) }
        check(.preparingNew, "failed", "away") { $0.failed(1, "io", file: .failed) }
        check(.preparingAgain, "made", "ready to 9000") { $0.made(1, "", size: size, filledTo: 9000, activeOrder: nil) }
        check(.preparingAgain, "made late", "free, use 4") { $0.made(1, "", size: size, filledTo: 0, activeOrder: 2) }
        check(.preparingAgain, "failed", "set aside") { $0.failed(1, "io", file: .failed) }
        check(.preparingAgain, "not opened", "free, use 3") { $0.failed(1, "none", file: .untouched) }
        check(.preparingAgain, "no space", "free, use 4") { $0.failed(1, "full", file: .withoutSpace) }
        check(.ready, "take", "away") { _ = $0.take(bytes: size / 2, entries: 1) }
        check(.ready, "take of more", "ready to 8192") { _ = $0.take(bytes: size, entries: 1) }
        check(.ready, "fill", "filling") { _ = $0.takeFill(nowNanos: 0, isIdle: true, pieceMax: 1 << 20) }
        check(.ready, "fill when busy", "ready to 8192") {
            _ = $0.takeFill(nowNanos: 0, isIdle: false, pieceMax: 1 << 20)
        }
        check(.filling, "take", "filling") { pool in
            guard case .busy = pool.take(bytes: 0, entries: 0) else {
                Issue.record("a piece is on its way")
                return
            }
        }
        check(.filling, "filled", "ready to 24576") { $0.filled(1, upTo: 8192 + 16_384) }
        check(.filling, "fill failed", "set aside") { $0.filled(1, upTo: nil) }
        func reclaim(_ pool: inout Pool, _ lsn: UInt64, isHeld: Bool) -> [String] {
            pool.reclaim(durable: LSN(lsn), isHeld: { _ in isHeld }) { _ in PoolFile(file: 1, useCount: 1, size: size) }
        }
        check(.dropping, "durable", "free, use 1") { #expect(reclaim(&$0, 5, isHeld: false) == ["one"]) }
        check(.dropping, "not durable", "dropping") { #expect(reclaim(&$0, 4, isHeld: false).isEmpty) }
        check(.dropping, "held", "dropping") { #expect(reclaim(&$0, 5, isHeld: true).isEmpty) }
        check(.removing, "removed", "away") { #expect($0.removed().map(\.file) == [1]) }
        check(.removing, "not removed", "removing") { pool in
            pool.removeFailed()
            #expect(pool.takeUseless().isEmpty, "not at once")
            pool.tick()
            #expect(pool.takeUseless().map(\.file) == [1])
        }
    }

    /// Events that change no file that is not useless.
    private static let harmless: [(String, @Sendable (inout Pool) -> Void)] = [
        ("nothing useless", { _ = $0.takeUseless() }), ("unblock", { $0.unblock() }), ("resume", { $0.resume() }),
        ("commit", { $0.noteCommit(nowNanos: 7) }),
        ("a lot of space", { $0.disk = .init(free: 1 << 40, total: 1 << 41) }),
    ]

    // MARK: Making

    /// However often the space runs out, the files that the log has are there when it is back.
    @Test(arguments: [1, 2, 5]) func aShortageOfSpaceTakesNoFileOutOfUse(files: Int) {
        var pool = Self.pool(nextFile: 10)
        pool.adopt(
            free: (1...UInt64(files)).map { PoolFile(file: $0, useCount: 3, size: Self.size) }, inUse: 0)
        let bytes = pool.bytes
        for round in 0..<20 {
            let plan = pool.plan(atLeast: 0, size: Self.size, isAhead: round.isMultiple(of: 2))
            #expect(plan.isRecycled && plan.file.useCount > 3)
            pool.failed(plan.order, "no space", file: .withoutSpace)
            pool.unblock()
        }
        #expect(pool.setAside.isEmpty && pool.free.count == files && pool.bytes == bytes)
    }

    @Test func aFileThatTakesNoZerosIsNotFollowedByTheNextAtOnce() {
        var pool = State.filling.pool()
        pool.filled(1, upTo: nil)
        #expect(!pool.takesOneAhead)
        pool.resume()
        #expect(pool.takesOneAhead)
    }

    @Test func whatWasMadeAheadIsMadeAgainLaterAndWhatACommitWaitsForIsMissed() {
        for isAhead in [true, false] {
            var pool = Self.pool()
            _ = pool.plan(atLeast: 0, size: Self.size, isAhead: isAhead)
            #expect(!pool.takesOneAhead, "one at a time")
            pool.failed(1, "no space", file: .withoutSpace)
            #expect(pool.failure == (isAhead ? nil : "no space"))
            #expect(pool.takesOneAhead != isAhead)
            pool.unblock()
            #expect(pool.failure == nil)
            #expect(pool.takesOneAhead != isAhead, "only the next look lets it be made ahead again")
            pool.resume()
            #expect(pool.takesOneAhead)
            for _ in 0..<2 {
                let plan = pool.plan(atLeast: 0, size: Self.size, isAhead: false)
                pool.made(plan.order, "", size: Self.size, filledTo: 0, activeOrder: nil)
            }
            #expect(!pool.takesOneAhead, "two are ready")
        }
    }

    @Test func theLargestFreeFileIsTakenWhenItIsNotMuchTooSmall() {
        for (sizes, atLeast, size, wanted) in [
            ([1], 0, 4, 1), ([1], 0, 5, nil), ([1, 3, 2], 0, 4, 3), ([1, 3, 3], 3, 4, 3), ([1, 3, 2], 4, 4, nil),
            ([9], 0, 4, 9), ([], 0, 4, nil),
        ] as [([Int], Int, Int, Int?)] {
            var pool = Self.pool()
            pool.adopt(
                free: sizes.enumerated().map {
                    .init(file: UInt64($0.offset + 50), useCount: 1, size: $0.element << 16)
                },
                inUse: 0)
            let plan = pool.plan(atLeast: atLeast << 16, size: size << 16, isAhead: false)
            #expect(plan.isRecycled == (wanted != nil) && plan.file.size == (wanted ?? size) << 16, "\(sizes), \(size)")
            #expect(plan.file.useCount == (wanted == nil ? 1 : 2))
        }
    }

    /// A snapshot says of a file that is being made again that its last use was dropped, and not the next one.
    @Test func aFileThatIsMadeAgainIsDroppedInTheUseBefore() {
        for state in State.allCases {
            let pool = state.pool()
            let dropped = pool.dropped.map(\.useCount)
            switch state {
            case .free, .preparingAgain, .removing: #expect(dropped == [3], "\(state)")
            case .setAside: #expect(dropped == [4], "its header may have been written")
            case .preparingNew, .ready, .filling, .dropping: #expect(dropped.isEmpty, "\(state)")
            }
        }
    }

    // MARK: Room

    @Test(arguments: [0, 1, 3, 4, 5, 15, 16, 17, 1000])
    func segmentsGrowWithTheLogToAQuarterOfIt(used: Int) {
        let size = Self.pool().nextSegmentBytes(atLeast: 0, used: used * Self.size)
        #expect(size == Self.size * (used > 8 ? 4 : used > 4 ? 2 : 1))
        #expect(Self.pool().nextSegmentBytes(atLeast: 5 * Self.size, used: used * Self.size) >= 5 * Self.size)
    }

    /// Around the end of the budget and of the disk: a put that is not refused finds its place, or the segment for it
    /// may be made.
    @Test func whatIsNotRefusedHasAPlaceOrMayGetOne() {
        let (size, overhead) = (Self.size, LogBudget.segmentOverhead)
        for inUse in stride(from: 0, through: 40, by: 1) {
            for disk in [0, 1, 4, 5, 6, 100] {
                var pool = Self.pool(Int64(40 * size), free: Int64(disk * size))
                pool.adopt(free: [], inUse: inUse * size)
                for all in [1, size / 2, size - overhead, size - overhead + 1, 3 * size] {
                    let backlog = Backlog(all: all, largest: min(all, size / 2), activeRoom: 0)
                    let next = pool.nextSegmentBytes(atLeast: all + overhead, used: 0)
                    let refusal = pool.refusal(of: backlog) { 0 }
                    #expect((refusal == nil) == pool.mayGrow(by: next), "\(inUse), \(disk), \(all)")
                    guard let refusal else { continue }
                    let isBudget = refusal.contains("log-max-bytes")
                    #expect(isBudget == (Int64(inUse * size + next) > Int64(38 * size)), "\(refusal)")
                    var other = pool
                    // A file that is free, or is being made again, has room too.
                    other.adopt(free: [.init(file: 90, useCount: 1, size: all + overhead)], inUse: 0)
                    #expect(other.refusal(of: backlog) { 0 } == nil)
                    _ = other.plan(atLeast: all + overhead, size: size, isAhead: true)
                    #expect(other.refusal(of: backlog) { 0 } == nil)
                }
            }
        }
    }

    // MARK: All of it

    /// Files go round at random. Each is in one place, bytes are counted as they are, and orders rise.
    @Test(arguments: 0..<40) func eachFileHasOneUseAtATime(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var pool = Self.pool()
        var inUse: [(order: UInt64, file: PoolFile)] = []
        var fills: [Pool.Fill] = []
        var (nanos, lsn, durable, order) = (UInt64(0), UInt64(1), UInt64(0), UInt64(0))
        func file(_ segment: String) -> PoolFile {
            let parts = segment.split(separator: " ").map { UInt64($0)! }
            return PoolFile(file: parts[1], useCount: UInt32(parts[2]), size: Int(parts[3]))
        }
        for _ in 0..<600 {
            nanos += UInt64(random.below(20_000_000))
            switch random.below(9) {
            case 0...1 where pool.preparing.count < 2:
                let size = Self.size << random.below(3)
                #expect(pool.plan(atLeast: 0, size: size, isAhead: random.chance(1, of: 2)).order == order + 1)
                order += 1
            case 2...3 where !pool.preparing.isEmpty:
                let plan = random.pick(pool.preparing)
                guard random.chance(4, of: 5) else {
                    pool.failed(plan.order, "", file: random.pick(Pool.Leftover.allCases))
                    break
                }
                pool.made(
                    plan.order, "\(plan.order) \(plan.file.file) \(plan.file.useCount) \(plan.file.size)",
                    size: plan.file.size, filledTo: plan.isRecycled ? plan.file.size : 8192,
                    activeOrder: inUse.last?.order)
            case 4:
                guard case .segment(let next) = pool.take(bytes: Self.size / 2 << random.below(3), entries: 1) else {
                    break
                }
                let taken = UInt64(next.split(separator: " ")[0])!
                #expect(inUse.last.map { $0.order < taken } ?? true, "seed \(seed)")
                inUse.append((taken, file(next)))
            case 5:
                if let fill = pool.takeFill(nowNanos: nanos, isIdle: random.chance(2, of: 3), pieceMax: 1 << 20) {
                    #expect(!fills.contains { $0.order == fill.order }, "one piece at a time, seed \(seed)")
                    fills.append(fill)
                }
            case 6 where !fills.isEmpty:
                let fill = fills.remove(at: random.below(fills.count))
                pool.filled(fill.order, upTo: random.chance(9, of: 10) ? fill.offset + fill.bytes : nil)
            case 7 where inUse.count > 1:
                let gone = inUse.remove(at: random.below(inUse.count - 1))
                pool.drop("\(gone.order) \(gone.file.file) \(gone.file.useCount) \(gone.file.size)", lsn: LSN(lsn))
                lsn += 1
            default:
                pool.tick()
                durable = min(lsn, durable + UInt64(random.below(3)))
                _ = pool.reclaim(durable: LSN(durable), isHeld: { _ in random.chance(1, of: 3) }, file: file)
                _ = pool.takeUseless()
                if random.chance(9, of: 10) { _ = pool.removed() } else { pool.removeFailed() }
            }
            let all = inUse.map(\.file.file) + pool.dropping.map { file($0.segment).file } + pool.files
            #expect(Set(all).count == all.count, "seed \(seed): \(all)")
            let bytes = inUse.map(\.file.size) + pool.dropping.map { file($0.segment).size }
            #expect(pool.bytes == pool.bytesNotInUse + Int64(bytes.reduce(0, +)), "seed \(seed)")
            #expect(pool.ready.map(\.order) == pool.ready.map(\.order).sorted())
            #expect(pool.ready.allSatisfy { one in inUse.last.map { $0.order < one.order } ?? true })
        }
    }
}
