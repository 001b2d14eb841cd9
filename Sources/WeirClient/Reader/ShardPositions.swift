// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension WeirClient {
    /// The index at which reading a shard would begin: what an iterator of this type stands for.
    func index(
        of start: ShardIteratorType, in shard: ShardNumber, of stream: StreamID
    ) async throws -> UInt64 {
        let deadline = self.deadline(nil)
        return try await self.repeating(until: deadline, isRepeatable: true) { connection in
            let request = GetShardIterator(stream: stream, shard: shard, start: start)
            let iterator = try await connection.call(request, deadline: deadline).iterator
            // The first record, if there is one, is not wanted; the position before it is.
            let payload = try await connection.exchange(
                GetRecords(iterator: iterator, limit: 1, maxBytes: 1), deadline: deadline)
            do {
                return try payload.withUnsafeReadableBytes { raw throws(MalformedBytes) in
                    let header = try RecordsView(payload: raw).header
                    // What is gone is told to whoever reads from here, not here.
                    return header.firstIndex - min(header.firstIndex, header.missedRecords)
                }
            } catch {
                throw connection.violated("the answer to GetRecords does not read: \(error)")
            }
        }
    }

    /// The result of `find` for each shard, a bounded number of them at a time.
    func forEach<Found: Sendable>(
        _ shards: [ShardNumber], _ find: @escaping @Sendable (ShardNumber) async throws -> Found
    ) async throws -> [ShardNumber: Found] {
        try await withThrowingTaskGroup(of: (ShardNumber, Found).self) { group in
            var found: [ShardNumber: Found] = [:]
            var waiting = shards[...]
            for shard in waiting.prefix(64) { group.addTask { (shard, try await find(shard)) } }
            waiting = waiting.dropFirst(64)
            while let (shard, value) = try await group.next() {
                found[shard] = value
                if let next = waiting.popFirst() { group.addTask { (next, try await find(next)) } }
            }
            return found
        }
    }
}
