// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

@testable import WeirStorage

/// What one request holds for several shards lies in one commit.
@Suite struct RequestsInCommitsTests {
    private func rig(shards: Int) throws -> (rig: LogRig, refs: [ShardRef]) {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let first = try rig.create(shards: shards)
        return (rig, (0..<shards).map { ShardRef(stream: first.stream, shard: ShardNumber(UInt32($0))) })
    }

    private static func recordBytes(_ text: String) -> Int { BatchBody.recordHeaderBytes + 1 + text.utf8.count }

    /// Room is made for all parts, then they are appended one by one.
    private func request(_ parts: Int, of bytes: Int, _ rig: LogRig, _ refs: [ShardRef], staged: Bool) throws -> Set<
        LSN
    > {
        let text = String(repeating: "r", count: bytes)
        rig.core.makeRoom(forParts: parts, recordBytes: parts * Self.recordBytes(text))
        return Set(try (0..<parts).map { try rig.append([text], to: refs[$0], staged: staged && $0 % 2 == 0).lsn })
    }

    @Test(arguments: [false, true], [0, 700_000, 1_200_000, 1_900_000, 2_090_000])
    func aRequestThatFindsAFullCommitGoesWholeIntoTheNext(staged: Bool, before: Int) throws {
        let (rig, refs) = try self.rig(shards: 3)
        if before > 0 { try rig.append([String(repeating: "b", count: before)], to: refs[0]) }
        let lsns = try self.request(3, of: 300_000, rig, refs, staged: staged)
        #expect(lsns.count == 1)
        try rig.write()
        for ref in refs { #expect(rig.read(ref, maxBytes: 1).texts.count >= 1) }
    }

    /// A commit holds 2 MiB and one request.
    @Test(arguments: [false, true]) func aRequestAboveTheLimitIsNotDividedEither(staged: Bool) throws {
        let (rig, refs) = try self.rig(shards: 5)
        try rig.append(["before"], to: refs[0])
        let open = rig.core.openLSN
        let lsns = try self.request(5, of: 900_000, rig, refs, staged: staged)
        #expect(lsns.count == 1)
        #expect(lsns.first == open.next)
        // The next request does not join it.
        let next = try self.request(2, of: 10, rig, refs, staged: staged)
        #expect(next == [open.next.next])
        try rig.write()
        try rig.restart()
        for (position, ref) in refs.enumerated() {
            #expect(rig.read(ref, maxBytes: 1).texts.count == (position == 0 ? 3 : position == 1 ? 2 : 1))
        }
    }

    @Test func aPromiseThatIsNotUsedDoesNotLetOthersIn() throws {
        let (rig, refs) = try self.rig(shards: 2)
        let open = rig.core.openLSN
        rig.core.makeRoom(forParts: 2, recordBytes: 1_000_000)
        let text = String(repeating: "r", count: 1_000_000)
        #expect(try rig.append([text], to: refs[0]).lsn == open)
        #expect(try rig.append([text], to: refs[1]).lsn == open)
        #expect(try rig.append([text], to: refs[0]).lsn == open.next)
    }
}
