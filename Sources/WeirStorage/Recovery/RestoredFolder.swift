// SPDX-License-Identifier: Apache-2.0
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

    static func renumber(
        _ configuration: StorageConfiguration, on fileSystem: any FileSystem, clock: any Clock
    ) throws(StorageError) -> Report {
        let storage = try Storage.open(configuration, on: fileSystem, clock: clock) { _ in }
        let planned: Result<(Report, Mark), WeirError> = storage.withLog { log in
            var report = Report()
            do throws(WeirError) {
                for stream in log.catalog.streams(after: nil, limit: .max) {
                    report.streams += 1
                    for shard in stream.map.shards {
                        if shard.range.canBeSplit {
                            report.renumbered += 1
                        } else {
                            report.kept.append("\(shard.number) of stream '\(stream.name)'")
                        }
                    }
                    _ = try log.submit(.renumber(stream.id), nowMillis: clock.wallMillis)
                }
                return .success((report, log.catalogMark))
            } catch {
                return .failure(error)
            }
        }
        // Everything that was admitted becomes durable, also when a later stream was refused.
        storage.shutdown()
        switch planned {
        case .failure(let error): throw StorageError("not all streams could be renumbered: \(error.message)")
        case .success((let report, let mark)):
            guard storage.withLog({ $0.mayTell(mark) }) else {
                throw StorageError("the log could not be written: start over, nothing is half done")
            }
            return report
        }
    }
}
