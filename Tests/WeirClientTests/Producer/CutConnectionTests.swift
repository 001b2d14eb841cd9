// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirProtocol
import WeirTestKit
import WeirTestNode

@testable import WeirClient

/// A producer whose connections are made and then end, each time, before a put is answered.
@Suite(.timeLimit(.minutes(2)), .nodes) struct CutConnectionTests {
    private struct Outcome {
        let error: WeirError
        let millis: UInt64
        /// How often the record was stored.
        let copies: Int
        let connections: Int
        let notices: [ProducerNotice]
    }

    private func put(
        timeout: Duration?, progress: Duration?, unknown: ProducerConfiguration.UnknownOutcome = .resend,
        answersFirst: Bool = false,
        _ script: @escaping @Sendable (Int) -> RequestFate
    ) async throws -> Outcome {
        let node = try await InProcessNode.start()
        let clock = ManualClock()
        try await node.makeStream("s", shards: 1)
        // As far as pauses go, what a client has without being told.
        let client = try node.client(clock: clock) { $0.retry = RetryPolicy() }
        let notices = Mutex<[ProducerNotice]>([])
        let producer = try await client.producer(
            try StreamName("s"),
            ProducerConfiguration(
                linger: .zero, timeout: timeout, progressTimeout: progress,
                onNotice: { notice in notices.withLock { $0.append(notice) } }, unknownOutcome: unknown))
        node.script(.putRecords, script)
        if answersFirst { node.answerFirst() }
        let result = Mutex<Result<PutReceipt, any Error>?>(nil)
        let begin = clock.monotonicNanos
        let put = Task {
            let outcome: Result<PutReceipt, any Error>
            do { outcome = .success(try await producer.put(key: "a", data: [49])) } catch { outcome = .failure(error) }
            result.withLock { $0 = outcome }
        }
        // A minute without an end is no end.
        await clock.advance(stepMillis: 10) {
            result.withLock { $0 != nil } || clock.monotonicNanos - begin > 60_000_000_000
        } mayAdvance: {
            node.isQuiet
        }
        let millis = (clock.monotonicNanos - begin) / 1_000_000
        producer.cancel()
        await put.value
        await client.close()
        guard case .failure(let error as WeirError) = result.withLock({ $0 }) else {
            throw WeirError(.internalFailure, "the put did not fail")
        }
        return Outcome(
            error: error, millis: millis, copies: try await node.texts(StreamID(1)).values.flatMap { $0 }.count,
            connections: node.requests(Hello.self).count { $0.sessionID != 0 }, notices: notices.withLock { $0 })
    }

    private func expectEnded(_ outcome: Outcome, _ code: WeirError.Code, _ bound: UInt64, _ why: String) {
        #expect((bound...bound + 2_500).contains(outcome.millis), "after \(outcome.millis) ms")
        #expect(outcome.error.code == code && outcome.error.verdict.maybeStored, "\(outcome.error)")
        #expect(outcome.error.message.contains(why), "\(outcome.error)")
        #expect((1...20).contains(outcome.copies), "stored \(outcome.copies) times")
        #expect((2...20).contains(outcome.connections), "\(outcome.connections) connections")
        guard outcome.notices.count == 1, case .heldBack(let error) = outcome.notices[0] else {
            return #expect(Bool(false), "\(outcome.notices)")
        }
        #expect(error.message.contains("connections ended before puts were answered"), "\(error)")
    }

    @Test func itFailsWhenNoRecordIsAcknowledged() async throws {
        let outcome = try await self.put(timeout: nil, progress: .seconds(5)) { _ in .cut(carriedOut: true) }
        self.expectEnded(outcome, .unavailable, 5_000, "nothing was acknowledged for 5")
    }

    @Test func itFailsWhenTheServerAnswersWithNothingButItsGreeting() async throws {
        let outcome = try await self.put(timeout: .seconds(5), progress: nil) { _ in .cut(carriedOut: true) }
        self.expectEnded(outcome, .timedOut, 5_000, "has not answered for 5000 ms: ")
    }

    @Test func anAnswerThatDoesNotKeepToTheProtocolCountsLikeACut() async throws {
        for (timeout, progress, code) in [
            (nil, .seconds(3), .unavailable), (.seconds(3), nil, .timedOut),
        ] as [(Duration?, Duration?, WeirError.Code)] {
            let outcome = try await self.put(timeout: timeout, progress: progress) { _ in .wrongAnswer }
            self.expectEnded(outcome, code, 3_000, "does not keep to the protocol")
        }
    }

    /// The answer is there before the producer has taken the connection for its own.
    @Test func whyAConnectionEndedIsToldHoweverSoonItEnds() async throws {
        let outcome = try await self.put(timeout: nil, progress: .seconds(3), answersFirst: true) { _ in .wrongAnswer }
        self.expectEnded(outcome, .unavailable, 3_000, "does not keep to the protocol")
    }

    /// It is tried again after the pauses that grow, whatever the server says in between.
    @Test func aMixtureOfRefusalsAndCutsIsNoProgress() async throws {
        let full = WeirError(.storageFull, "full", verdict: .init(maybeStored: false, retry: .after(millis: 0)))
        let outcome = try await self.put(timeout: .seconds(10), progress: .seconds(5)) { number in
            number % 2 == 0 ? .refuse(full) : .cut(carriedOut: true)
        }
        #expect((5_000...7_500).contains(outcome.millis), "after \(outcome.millis) ms")
        #expect(outcome.copies <= 20 && outcome.error.verdict.maybeStored)
        #expect(outcome.error.message.contains("for 5"), "\(outcome.error)")
    }
}
