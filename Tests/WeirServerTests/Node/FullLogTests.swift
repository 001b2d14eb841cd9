// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol
import WeirStorage

@testable import WeirEngine

@Suite struct FullLogTests {
    private static let second: UInt64 = 1_000_000_000
    private let small = FullLog.Size(parts: 1, bytes: 100)
    private let large = FullLog.Size(parts: 2, bytes: 1000)

    @Test func `It is entered once, and left a while after the last refusal when the largest put has room`() {
        var full = FullLog()
        full.refused(records: 2, self.small, reason: "full", nowMillis: 1_700_000_000_000, nowNanos: 10)
        full.refused(records: 3, self.large, reason: "still full", nowMillis: 9, nowNanos: 20)
        full.refused(records: 4, self.small, reason: "still full", nowMillis: 9, nowNanos: 5 + 2 * Self.second)
        #expect(full.takeNews() == [.entered(reason: "full")])
        #expect(full.refusing?.sentence == "log full since 2023-11-14T22:13:20Z: still full")
        let quiet = 5 + 2 * Self.second + FullLog.quietNanos
        #expect(full.wantsToKnow(nowNanos: quiet - 1) == nil)
        // Room that shows in the meantime does not end it.
        full.hasRoom(nowNanos: quiet - 1)
        #expect(full.refusing != nil)
        #expect(full.wantsToKnow(nowNanos: quiet) == self.large)
        full.hasRoom(nowNanos: quiet)
        #expect(full.refusing == nil && full.wantsToKnow(nowNanos: .max) == nil)
        #expect(full.takeNews() == [.left(afterMillis: 1999, records: 9)])
        full.refused(records: 1, self.small, reason: "again", nowMillis: 1, nowNanos: quiet)
        #expect(full.takeNews() == [.entered(reason: "again")])
        #expect(full.takeNews().isEmpty)
    }

    @Test func `A put that finds no room is refused whole with the sentence, counted, and told by status`() async throws
    {
        try await TestNode.run {
            $0.storage.logBytesMax = 24 << 20
            $0.storage.segmentBytesMax = 4 << 20
        } _: { node in
            let (client, stream) = try node.stream(shards: 2)
            let record = TestRecord("k", bytes: 1_000_000)
            var refusal: WeirError?
            var stored = 0
            for _ in 0..<40 where refusal == nil {
                do {
                    stored += try client.put(stream, [record]).stored
                } catch let error as WeirError {
                    refusal = error
                }
            }
            #expect(refusal?.code == .storageFull && stored > 4, "\(stored)")
            #expect(refusal?.message.contains("log-max-bytes") == true, "\(refusal?.message ?? "")")
            #expect(refusal?.verdict == WeirError.Code.storageFull.usualVerdict)
            let status = try client.call(Status(), StatusAnswer.self)
            #expect(status.texts.first { $0.name == "puts-refused" }?.value.hasPrefix("log full since ") == true)
            #expect(status.numbers.first { $0.name == "records-refused-log-full" }?.value == 1)
            // What goes in order behind it waits until its sender has seen the refusal.
            #expect(throws: WeirError.self) { try client.put(stream, [record], sequence: 1) }
            let next = try client.put(stream, [TestRecord("k")], sequence: 2)
            #expect(next.entries.map { $0.error?.code } == [.behind])
            #expect(try client.put(stream, [TestRecord("k")], sequence: 3, seenThrough: 2).stored == 1)
            let after = try client.call(Status(), StatusAnswer.self)
            #expect(after.numbers.first { $0.name == "records-in" }?.value == Int64(stored) + 1)
        }
    }
}
