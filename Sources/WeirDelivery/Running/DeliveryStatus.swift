// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirModel

/// What a delivery has done and is doing.
package struct DeliveryStatus: Hashable, Sendable {
    /// In files that have their names.
    package internal(set) var records: UInt64 = 0
    package internal(set) var files: UInt64 = 0
    package internal(set) var bytes: UInt64 = 0
    package internal(set) var inputBytes: UInt64 = 0
    /// Bytes of those files that have at least 80 % of the size that was asked for.
    package internal(set) var bytesInLargeFiles: UInt64 = 0
    /// Records that came long after their event time, have none, or not the field that their prefix asks for.
    package internal(set) var remarkable = Remarkable()
    package internal(set) var passed = Passed()
    package internal(set) var manifests = Manifests()
    /// Files of another holder's intent that were finished, and of those the ones that had to be made again.
    package internal(set) var filesRecovered: UInt64 = 0
    package internal(set) var filesMadeAgain: UInt64 = 0
    package internal(set) var lastFile: String?
    /// Of all shards here.
    package internal(set) var openFiles = 0
    /// Bytes in files that do not have their names yet, before they are compressed.
    package internal(set) var bufferedBytes: UInt64 = 0
    /// How long ago the oldest record of them came, in nanoseconds; `nil`: there is none.
    package internal(set) var oldestNanos: UInt64?
    /// Why something does not go on, a sentence for each shard.
    package internal(set) var waiting: [ShardNumber: String] = [:]

    /// Why files that were open in the end could not be finished, a sentence for each shard: their records are read
    /// again.
    package internal(set) var unfinished: [ShardNumber: String] = [:]

    /// What was passed over.
    package struct Passed: Hashable, Sendable {
        /// That were in a file when the lease came here, or the backfill.
        package internal(set) var records: UInt64 = 0
        /// Of a backfill: files that were there.
        package internal(set) var files: UInt64 = 0
        /// Of a backfill: records that had expired before they were read, or are damaged on the server's disk.
        package internal(set) var missed: UInt64 = 0
    }

    package struct Manifests: Hashable, Sendable {
        /// What arrived before is delivered, in milliseconds since 1970; told by the worker that writes them.
        package internal(set) var completeThrough: Int64?
        /// Why folders that are whole get none.
        package internal(set) var waiting: String?
    }

    package struct Remarkable: Hashable, Sendable {
        package internal(set) var late: UInt64 = 0
        package internal(set) var withoutTime: UInt64 = 0
        package internal(set) var withoutField: UInt64 = 0

        mutating func add(_ partition: PrefixPattern.Partition) {
            if partition.isLate { self.late += 1 }
            if partition.lacksTime { self.withoutTime += 1 }
            if partition.lacksField { self.withoutField += 1 }
        }

        mutating func add(_ other: Remarkable) {
            self.late += other.late
            self.withoutTime += other.withoutTime
            self.withoutField += other.withoutField
        }
    }

    package mutating func forgetAge() { self.oldestNanos = nil }
}

/// What shards report, and what they are told.
package final class DeliveryBoard: Sendable {
    private struct Shard {
        var openFiles = 0
        var bufferedBytes: UInt64 = 0
        var sinceNanos: UInt64?
    }

    private struct State {
        var status = DeliveryStatus()
        var shards: [ShardNumber: Shard] = [:]
        var isStopping = false
        var trouble: String?
    }

    private let state = Mutex(State())
    private let onWaiting: @Sendable (String?) -> Void
    private let onTrouble: @Sendable () -> Void

    /// `onWaiting` is told once why everything waits, and `nil` when it goes on. `onTrouble`: all shards are to be
    /// given up and taken again, because one cannot go on.
    package init(
        onWaiting: @escaping @Sendable (String?) -> Void = { _ in }, onTrouble: @escaping @Sendable () -> Void = {}
    ) {
        self.onWaiting = onWaiting
        self.onTrouble = onTrouble
    }

    package func status(now: UInt64) -> DeliveryStatus {
        self.state.withLock { state in
            var status = state.status
            for shard in state.shards.values {
                status.openFiles += shard.openFiles
                status.bufferedBytes += shard.bufferedBytes
                guard let since = shard.sinceNanos else { continue }
                status.oldestNanos = max(status.oldestNanos ?? 0, now - min(now, since))
            }
            return status
        }
    }

    package var isStopping: Bool { self.state.withLock { $0.isStopping } }

    package func stop() { self.state.withLock { $0.isStopping = true } }

    /// The reason for which all is to begin anew, once.
    package func takeTrouble() -> String? {
        self.state.withLock { state in
            defer { state.trouble = nil }
            return state.trouble
        }
    }

    func beginAnew(_ reason: String) {
        self.state.withLock { $0.trouble = $0.trouble ?? reason }
        self.onTrouble()
    }

    func count(_ change: (inout DeliveryStatus) -> Void) { self.state.withLock { change(&$0.status) } }

    func shows(_ shard: ShardNumber, _ files: [DeliveryMachine.OpenFile]) {
        self.shows(
            shard, openFiles: files.count, bufferedBytes: files.reduce(0) { $0 + $1.inputBytes },
            sinceNanos: files.map(\.sinceNanos).min())
    }

    func shows(_ shard: ShardNumber, openFiles: Int, bufferedBytes: UInt64, sinceNanos: UInt64? = nil) {
        self.state.withLock { state in
            state.shards[shard] =
                openFiles == 0
                ? nil : Shard(openFiles: openFiles, bufferedBytes: bufferedBytes, sinceNanos: sinceNanos)
        }
    }

    /// `nil`: it goes on.
    func waits(_ shard: ShardNumber, _ reason: String?) {
        let news: String?? = self.state.withLock { state in
            let before = state.status.waiting.isEmpty
            state.status.waiting[shard] = reason
            if before, let reason { return .some(reason) }
            return !before && state.status.waiting.isEmpty ? .some(nil) : .none
        }
        if let news { self.onWaiting(news) }
    }
}
