// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirIO
import WeirLog
import WeirModel

/// A data folder that was restored from a backup: the node goes on from a state that it once had, and would give
/// numbers to new records that others had before them. From the folder alone nobody can see that, so an operator says
/// it.
///
/// Every open shard makes way for another one with the same keys. That one has another number and a later creation
/// second, which sequence numbers begin with. What the lost part of the log gave out belongs to shards that have ended
/// before it: whoever comes with such a position is told, instead of skipping records.
package enum RestoredFolder {
    package struct Report: Equatable, Sendable {
        package var streams = 0
        /// Shards that have made way.
        package var renumbered = 0
        /// Those with too few keys to be divided, by stream: they go on as they are.
        package var kept: [String] = []
    }

    /// Renumbers every stream of a stopped server's folder. When it returns, all of it is on the disk.
    package static func renumber(
        _ configuration: StorageConfiguration, clock: any Clock
    ) throws(StorageError) -> Report {
        try self.checkHoldsLog(configuration.folder)
        let fileSystem: PosixFileSystem
        do throws(FileError) {
            fileSystem = try PosixFileSystem(folder: configuration.folder, mode: configuration.writeMode)
        } catch {
            throw StorageError(error.description)
        }
        return try Self.renumber(configuration, on: fileSystem, clock: clock)
    }

    /// Opening would make a log where there is none. The lock of the view ends with it.
    private static func checkHoldsLog(_ folder: String) throws(StorageError) {
        let view: ReadOnlyFolder
        do throws(FileError) {
            view = try ReadOnlyFolder(folder)
        } catch {
            throw StorageError(error.description)
        }
        guard try DataFolder(view).logID != nil else {
            throw StorageError("\(folder) holds no Weir data: there is nothing that was restored")
        }
    }

    /// What a node may hold binds what clients ask of it. This is no client: the streams are there, under whatever
    /// limits they were made, and a folder of which one half is numbered anew is worth nothing.
    private static func withoutLimits(_ configuration: StorageConfiguration) -> StorageConfiguration {
        var configuration = configuration
        configuration.bounds = Catalog.Bounds(streamsMax: .max, openShardsMax: .max, listedShardsMax: .max)
        configuration.logBytesMax = .max
        configuration.freeBytesFloor = 0
        configuration.pendingBytesMax = .max
        return configuration
    }

    /// How the log goes on while its streams are numbered anew.
    private enum Log {
        /// So often it became durable.
        case serving(commits: Int)
        case failed(String)
    }

    /// How long a commit may take until the log counts as stuck, in milliseconds.
    private static let commitMillisMax = 60_000

    static func renumber(
        _ configuration: StorageConfiguration, on fileSystem: any FileSystem, clock: any Clock
    ) throws(StorageError) -> Report {
        let progress = Monitor(Log.serving(commits: 0))
        let storage = try Storage.open(Self.withoutLimits(configuration), on: fileSystem, clock: clock) { news in
            progress.withLock { log in
                switch (news, log) {
                case (.durable, .serving(let commits)): log = .serving(commits: commits + 1)
                case (.failed(_, let reason), .serving), (.stopped(let reason), .serving): log = .failed(reason)
                default: break
                }
            }
            progress.wakeAll()
        }
        let renumbered: Result<(Report, Mark), WeirError> = Self.renumberAll(storage, progress, clock)
        // Everything that was admitted becomes durable.
        storage.shutdown()
        switch renumbered {
        case .failure(let error): throw StorageError(error.message)
        case .success((let report, let mark)):
            if case .failed(let reason) = progress.withLock({ $0 }) { throw StorageError(Self.again(reason)) }
            guard storage.withLog({ $0.mayTell(mark) }) else { throw StorageError(Self.again("a write was lost")) }
            return report
        }
    }

    private static func again(_ reason: String) -> String {
        "the log could not be written (\(reason)): not all streams are numbered anew. Run this again before the server "
            + "starts; to number a stream anew twice does no harm"
    }

    private static func renumberAll(
        _ storage: Storage, _ progress: Monitor<Log>, _ clock: any Clock
    ) -> Result<(Report, Mark), WeirError> {
        var report = Report()
        let streams = storage.withLog { $0.catalog.streams(after: nil, limit: .max) }
        for stream in streams {
            report.streams += 1
            for shard in stream.map.shards {
                if shard.range.canBeSplit {
                    report.renumbered += 1
                } else {
                    report.kept.append("\(shard.number) of stream '\(stream.name)'")
                }
            }
        }
        do throws(WeirError) {
            // What cannot be done is known before anything is.
            for stream in streams {
                _ = try storage.withLog { log throws(WeirError) in
                    try log.catalog.plan(.renumber(stream.id), nowMillis: clock.wallMillis) { _ in
                        SequenceNumber.endIndex
                    }
                }
            }
        } catch {
            return .failure(
                WeirError(
                    error.code, "nothing was changed, because not all streams can be numbered anew: \(error.message)"))
        }
        do throws(WeirError) {
            for stream in streams { try Self.submit(.renumber(stream.id), to: storage, progress, clock) }
        } catch {
            return .failure(WeirError(error.code, Self.again(error.message)))
        }
        return .success((report, storage.withLog { $0.catalogMark }))
    }

    /// Submits, again after each commit while too much waits for the disk.
    private static func submit(
        _ command: CatalogCommand, to storage: Storage, _ progress: Monitor<Log>, _ clock: any Clock
    ) throws(WeirError) {
        while true {
            let before = Self.commits(progress.withLock { $0 })
            do throws(WeirError) {
                _ = try storage.withLog { log throws(WeirError) in
                    try log.submit(command, nowMillis: clock.wallMillis)
                }
                return
            } catch {
                guard error.verdict.retry != .never, let before else { throw error }
                let hasChanged: Void? = progress.wait(milliseconds: Self.commitMillisMax) { log in
                    Self.commits(log) == before ? nil : ()
                }
                guard hasChanged != nil else { throw error }
            }
        }
    }

    /// `nil` when it has failed.
    private static func commits(_ log: Log) -> Int? {
        if case .serving(let commits) = log { return commits }
        return nil
    }
}
