// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// Up to when everything that arrived is in files, and which folders are whole by that.
package enum Completeness {
    /// A record counts as come so long after the server's clock has passed its arrival, in milliseconds: until then it
    /// may be on its way to the disk.
    package static let settlingMillis: Int64 = 10_000

    /// Records that arrived before are delivered, in milliseconds since 1970; `nil`: the application has no leases.
    /// `shards`: all that are listed. `now`: the server's clock before the leases were asked for.
    package static func watermark(
        shards: [ShardDescription], leases: [LeaseDescription], now: Int64
    ) -> Int64? {
        guard !leases.isEmpty else { return nil }
        let rows = Dictionary(leases.map { ($0.shard, $0) }, uniquingKeysWith: { first, _ in first })
        var watermark = now - Self.settlingMillis
        for shard in shards {
            if let row = rows[shard.number] {
                watermark = min(watermark, Self.watermark(of: row, shard, watermark))
            } else if shard.parents.contains(where: { rows[$0] != nil }) {
                // Its lease is still to come.
                watermark = min(watermark, shard.createdAtMillis)
            }
            // Of all others the application began behind them.
        }
        return watermark
    }

    private static func watermark(of row: LeaseDescription, _ shard: ShardDescription, _ idle: Int64) -> Int64 {
        if row.lag.records == 0 { return idle }
        switch row.checkpoint {
        case .shardEnd: return idle
        case .trimHorizon: return shard.createdAtMillis
        case .at(let time): return time.millisecondsSince1970
        case .sequenceNumber(let number, _):
            // Of a shard that was made by quick splits the numbers may lie ahead of the clock.
            let isSure = number.arrivalSecond > number.shardCreationSecond
            return isSure ? Int64(number.arrivalSecond) * 1000 : shard.createdAtMillis
        }
    }

    package struct Folder: Hashable, Sendable {
        package let path: String
        package let notes: [FileNote]
    }

    /// Folders that everything of has been delivered, `lateness` milliseconds after their time was over.
    package static func whole(_ notes: [FileNote], watermark: Int64, lateness: Int64) -> [Folder] {
        Dictionary(grouping: notes, by: \.folder).compactMap { path, notes in
            let ends = notes.map(\.ends).max() ?? .max
            guard ends != 0, ends != .max, ends <= watermark - lateness else { return nil }
            return Folder(path: path, notes: notes.sorted { $0.path < $1.path })
        }.sorted { $0.path < $1.path }
    }
}
