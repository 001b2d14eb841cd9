// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirConsumer

@Suite("Which checkpoints are allowed")
struct LeaseProgressTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let wanted: LeaseCheckpoint?
        let verdict: String
        var testDescription: String { "\(wanted.map { "\($0)" } ?? "everything"): \(self.verdict)" }
    }

    static let cases: [Case] = [
        Case(wanted: nil, verdict: "save 20.5"), Case(wanted: through(20, sub: 5), verdict: "save 20.5"),
        Case(wanted: through(20, sub: 4), verdict: "save 20.4"), Case(wanted: through(19), verdict: "save 19"),
        Case(wanted: through(10, sub: 4), verdict: "save 10.4"), Case(wanted: through(10, sub: 3), verdict: "settled"),
        Case(wanted: through(10), verdict: "save 10"), Case(wanted: through(10, sub: 2), verdict: "refused"),
        Case(wanted: through(9), verdict: "refused"), Case(wanted: through(20), verdict: "refused"),
        Case(wanted: through(20, sub: 6), verdict: "refused"), Case(wanted: through(21), verdict: "refused"),
        Case(wanted: .trimHorizon, verdict: "refused"), Case(wanted: .shardEnd, verdict: "refused"),
        Case(wanted: .atTimestamp(5), verdict: "refused"),
    ]

    private func text(_ verdict: LeaseProgress.Verdict) -> String {
        switch verdict {
        case .refused(let error): return error.code == .invalidArgument ? "refused" : "\(error.code)"
        case .settled: return "settled"
        case .waits: return "waits"
        case .save(.sequenceNumber(let number, let sub)):
            return "save \(number.index)" + (sub.map { ".\($0)" } ?? "")
        case .save(let other): return "save \(other)"
        }
    }

    @Test("Not below the last one, not above what was delivered; the last one again is not written", arguments: cases)
    func rule(_ sample: Case) {
        var progress = LeaseProgress(through(10, sub: 3))
        progress.deliver(through(20, sub: 5))
        #expect(self.text(progress.ask(sample.wanted, 1)) == sample.verdict)
    }

    @Test("At the end of a shard its last record stands for the end; those before it do not")
    func end() {
        var progress = LeaseProgress(through(10))
        progress.deliver(through(20))
        progress.reachEnd()
        var (last, before, all) = (progress, progress, progress)
        #expect(last.ask(through(20), 1) == .save(.shardEnd))
        #expect(before.ask(through(19), 1) == .save(through(19)))
        #expect(all.ask(nil, 1) == .save(.shardEnd))
    }

    @Test("A closed shard without records ends too")
    func empty() {
        var progress = LeaseProgress(.trimHorizon)
        progress.reachEnd()
        #expect(progress.ask(nil, 1) == .save(.shardEnd))
        #expect(progress.saveDone().settled == [1])
        #expect(progress.saved == .shardEnd)
    }

    @Test("What could not be processed is taken back, but not below what was asked for")
    func back() {
        var progress = LeaseProgress(.trimHorizon)
        progress.deliver(through(20))
        _ = progress.ask(through(5), 1)
        progress.deliver(through(3))
        #expect(progress.delivered == through(5))
    }

    @Test("Nothing was delivered yet: there is nothing to write")
    func nothing() {
        var progress = LeaseProgress(.atTimestamp(77))
        #expect(progress.ask(nil, 1) == .settled)
    }

    @Test("Those who wait are limited")
    func limit() {
        var progress = LeaseProgress(.trimHorizon)
        progress.deliver(through(1_000_000))
        for ticket in 0..<UInt64(LeaseProgress.waitingMax) { _ = progress.ask(through(ticket), ticket) }
        #expect(self.text(progress.ask(through(5000), 5000)) == "LimitExceeded")
        #expect(progress.abandon().count == LeaseProgress.waitingMax)
    }
}
