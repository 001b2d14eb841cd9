// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WeirLog

/// The snapshots of a log, in every state and after every event. What is captured is a text.
@Suite struct SnapshotsTests {
    typealias Snaps = Snapshots<String>

    enum State: CaseIterable {
        case idle, due, captured, durable, writing, waiting

        func snapshots() -> Snaps {
            var snapshots = Snaps(kept: [], damaged: [])
            switch self {
            case .idle: break
            case .due: snapshots.demand()
            case .captured:
                snapshots = State.due.snapshots()
                snapshots.capture(LSN(5), "five")
            case .durable:
                snapshots = State.captured.snapshots()
                snapshots.settle(LSN(5)) { $0 += " and six" }
            case .writing:
                snapshots = State.durable.snapshots()
                _ = snapshots.take()
            case .waiting:
                snapshots = State.writing.snapshots()
                snapshots.failed()
            }
            return snapshots
        }
    }

    private static func state(_ snapshots: Snaps) -> State? {
        switch snapshots.schedule.phase {
        case .captured: snapshots.next == nil ? .captured : .durable
        case .writing: .writing
        case .idle: snapshots.capturesNext ? .due : snapshots.schedule.failures > 0 ? .waiting : .idle
        }
    }

    @Test func theTableOfStatesAndEvents() {
        func check(_ before: State, _ event: String, _ after: State, _ body: (inout Snaps) -> Void) {
            var snapshots = before.snapshots()
            #expect(Self.state(snapshots) == before)
            body(&snapshots)
            #expect(Self.state(snapshots) == after, "\(before), \(event)")
        }
        for state in State.allCases {
            check(state, "demand", state == .idle ? .due : state) { $0.demand() }
            check(state, "tick", state == .waiting ? .due : state) { $0.tick() }
            check(state, "hurry", state == .waiting ? .due : state) { $0.hurry() }
            // Of another commit, or of one that was settled before.
            check(state, "another commit is durable", state) { $0.settle(LSN(4)) { _ in Issue.record("not of it") } }
            if state != .durable {
                check(state, "take", state) { #expect($0.take() == nil) }
                #expect(state.snapshots().next == nil)
            }
        }
        check(.due, "capture", .captured) { $0.capture(LSN(7), "seven") }
        check(.captured, "its commit is durable", .durable) { $0.settle(LSN(5)) { $0 += "!" } }
        check(.durable, "its commit again", .durable) { $0.settle(LSN(5)) { _ in Issue.record("once") } }
        check(.durable, "take", .writing) { #expect($0.next == "five and six" && $0.take() == "five and six") }
        check(.writing, "done", .idle) { $0.done(SnapshotName(name: "5", lsn: LSN(5)), namedBy: LSN(9)) }
        check(.writing, "failed", .waiting) { $0.failed() }
        check(.writing, "demand, then done", .due) {
            $0.demand()
            $0.done(SnapshotName(name: "5", lsn: LSN(5)), namedBy: LSN(9))
        }
    }

    /// State: how many whole ones, and which commit names the newest. Event: how far the log is durable.
    @Test func anOldOneGoesWhenTwoNewerOnesAreNamedDurably() {
        for count in 0...4 {
            for naming in 0...3 as ClosedRange<UInt64> {
                for durable in 0...4 as ClosedRange<UInt64> {
                    let names = (0..<count).map { SnapshotName(name: "\($0)", lsn: LSN(UInt64($0) + 1)) }
                    var snapshots = Snaps(kept: Array(names.dropLast()), damaged: ["damaged"])
                    var kept = names.dropLast()
                    if let last = names.last, naming > 0 {
                        snapshots.demand()
                        snapshots.capture(last.lsn, "")
                        snapshots.settle(last.lsn) { _ in }
                        _ = snapshots.take()
                        snapshots.done(last, namedBy: LSN(naming))
                        kept = names[...]
                    }
                    let isNamed = naming <= durable || kept.count < count || count == 0
                    let covered = isNamed && kept.count >= 2 ? kept[kept.endIndex - 2].lsn : .none
                    #expect(snapshots.covered(durable: LSN(durable)) == covered)
                    let old = snapshots.takeOld(durable: LSN(durable))
                    #expect(old == (covered == .none ? [] : ["damaged"] + kept.dropLast(2).map(\.name)))
                    #expect(snapshots.kept == (covered == .none ? Array(kept) : Array(kept.suffix(2))))
                    #expect(snapshots.covered(durable: LSN(durable)) == covered)
                    #expect(snapshots.takeOld(durable: LSN(durable)).isEmpty, "once")
                }
            }
        }
    }
}
