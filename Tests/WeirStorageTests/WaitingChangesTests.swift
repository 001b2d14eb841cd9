// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirCatalog
import WeirModel

@testable import WeirStorage

/// Changes of streams that wait for the disk: each keeps a list of shards, and together they have a bound.
@Suite struct WaitingChangesTests {
    @Test(arguments: [1000, 8000]) func changesWaitUpToABoundOfListedShardsAndGoOnBehindIt(shards: Int) throws {
        var configuration = LogRig.small
        configuration.segmentBytesMax = 16 << 20
        let rig = try LogRig(configuration: configuration)
        let ref = try rig.create("wide", shards: shards)
        let most = LogCore.waitingShardsMax
        var taken = 0
        var refusal: WeirError?
        for number in 0..<shards where refusal == nil {
            refusal = Self.refusal { () throws(WeirError) in
                _ = try rig.core.submit(
                    .splitShard(ref.stream, ShardNumber(UInt32(number)), at: nil), nowMillis: rig.now)
            }
            guard refusal == nil else { break }
            // A put behind each change, so that each has a commit of its own.
            try rig.append(["x"], to: ShardRef(stream: ref.stream, shard: ShardNumber(UInt32(shards - 1))))
            taken += 1
        }
        let error = try #require(refusal)
        #expect(error.code == .unavailable && error.verdict.retry == .after(20), "\(error.message)")
        // Before it are as many as the bound has room for, or as many commits as may wait.
        #expect(taken * shards <= most + shards)
        #expect(error.message.contains(taken * shards > most - 3 * shards ? "listed shards" : "commits"), "\(taken)")
        try rig.write()
        _ = try rig.core.submit(
            .splitShard(ref.stream, ShardNumber(UInt32(taken)), at: nil), nowMillis: rig.now)
        try rig.write()
        try rig.core.checkBooks()
    }

    private static func refusal(_ body: () throws(WeirError) -> Void) -> WeirError? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }
}
