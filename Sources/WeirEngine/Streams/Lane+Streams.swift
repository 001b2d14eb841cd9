// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirStorage

/// The calls that ask or change streams and shards. Each is one short stay under the log's lock; the answer may be
/// given when its mark is reached.
extension Lane {
    /// `body` finds the answer; `mark`: from when on it may be told.
    func ask<Value: Sendable>(
        _ body: (LogCore, Int64) throws(WeirError) -> (value: Value, mark: Mark)
    ) -> Told<Value> {
        let now = self.engine.clock.wallMillis
        return self.withLog { log in
            if let error = log.unavailable() {
                return Told(value: .failure(error), mark: .none, watermark: log.watermark)
            }
            do throws(WeirError) {
                let found = try body(log, now)
                return Told(value: .success(found.value), mark: found.mark, watermark: log.watermark)
            } catch {
                return Told(value: .failure(error), mark: log.catalogMark, watermark: log.watermark)
            }
        }
    }

    static func existing(_ id: StreamID, _ log: LogCore) throws(WeirError) -> StreamState {
        guard let stream = log.catalog.stream(id) else { throw log.missing(id) }
        return stream
    }

    // MARK: Streams

    package func createStream(
        _ name: StreamName, shards: Int, settings: StreamSettings
    ) -> Told<StreamDescription> {
        self.ask { log, now throws(WeirError) in
            let submitted = try log.submit(
                .createStream(name: name, shards: shards, settings: settings), nowMillis: now)
            guard let stream = log.catalog.stream(named: name) else {
                throw WeirError(.internalFailure, "stream '\(name)' is missing after it was made")
            }
            return (stream.description, submitted.mark)
        }
    }

    package func describeStream(_ id: StreamID) -> Told<StreamDescription> {
        self.ask { log, _ throws(WeirError) in (try Self.existing(id, log).description, log.catalogMark) }
    }

    package func describeStream(_ name: StreamName) -> Told<StreamDescription> {
        self.ask { log, _ throws(WeirError) in
            guard let found = log.catalog.stream(named: name) else {
                throw WeirError.noStream("'\(name)'")
            }
            return (found.description, log.catalogMark)
        }
    }

    /// Streams behind `after`, which need not exist, in the order of their names, and whether there are more.
    package func listStreams(
        after: StreamName?, limit: Int
    ) -> Told<(streams: [StreamDescription], hasMore: Bool)> {
        self.ask { log, _ throws(WeirError) in
            let streams = log.catalog.streams(after: after, limit: limit + 1)
            return ((streams.prefix(limit).map(\.description), streams.count > limit), log.catalogMark)
        }
    }

    package func updateStream(_ id: StreamID, _ changes: StreamChanges) -> Told<StreamDescription> {
        self.ask { log, now throws(WeirError) in
            let submitted = try log.submit(.updateStream(id, changes), nowMillis: now)
            return (try Self.existing(id, log).description, submitted.mark)
        }
    }

    package func trimStream(_ id: StreamID, beforeMillis: Int64) -> Told<Void> {
        self.ask { log, now throws(WeirError) in
            ((), try log.submit(.trimStream(id, beforeMillis: beforeMillis), nowMillis: now).mark)
        }
    }

    /// What waits for the stream's records is ended once that is durable.
    package func deleteStream(_ id: StreamID) -> Told<Void> {
        let told = self.ask { log, now throws(WeirError) in
            ((), try log.submit(.deleteStream(id), nowMillis: now).mark)
        }
        if case .success = told.value { self.engine.streamDeleted(id, told.mark) }
        return told
    }

    // MARK: Shards

    /// A page of a stream's shards.
    package struct ShardPage: Sendable {
        package let mapVersion: UInt64
        package let shards: [ShardDescription]
        package let hasMore: Bool
    }

    package func listShards(
        of id: StreamID, _ filter: ShardFilter, after: ShardNumber?, limit: Int
    ) -> Told<ShardPage> {
        self.ask { log, _ throws(WeirError) in
            let stream = try Self.existing(id, log)
            let shards = stream.shards(filter, after: after, limit: limit + 1)
            let page = ShardPage(
                mapVersion: stream.map.version, shards: Array(shards.prefix(limit)), hasMore: shards.count > limit)
            return (page, log.catalogMark)
        }
    }

    /// What a resharding has made of a stream.
    package struct Resharded: Sendable {
        package let mapVersion: UInt64
        package let changes: ReshardChanges
    }

    package func splitShard(_ shard: ShardRef, at key: HashKey?) -> Told<Resharded> {
        self.reshard(.splitShard(shard.stream, shard.shard, at: key), shard.stream)
    }

    package func mergeShards(of id: StreamID, _ first: ShardNumber, _ second: ShardNumber) -> Told<Resharded> {
        self.reshard(.mergeShards(id, first, second), id)
    }

    package func rescale(_ id: StreamID, to shards: Int) -> Told<Resharded> {
        self.reshard(.rescale(id, to: shards), id)
    }

    private func reshard(_ command: CatalogCommand, _ id: StreamID) -> Told<Resharded> {
        self.ask { log, now throws(WeirError) in
            let submitted = try log.submit(command, nowMillis: now)
            let stream = try Self.existing(id, log)
            let resharded = Resharded(mapVersion: stream.map.version, changes: ReshardChanges(submitted.events))
            return (resharded, submitted.mark)
        }
    }

    /// How many streams and open shards there are.
    package func counts() -> Told<(streams: Int, openShards: Int)> {
        self.withLog { log in
            Told(
                value: .success((log.catalog.streamCount, log.catalog.openShardCount)), mark: log.catalogMark,
                watermark: log.watermark)
        }
    }
}

/// Which shards a resharding has closed and opened in the end; those that it opened and closed again are neither.
package struct ReshardChanges: Hashable, Sendable {
    package private(set) var closed: [ShardNumber] = []
    package private(set) var opened: [ShardNumber] = []

    package init(_ events: [CatalogEvent]) {
        var opened: Set<ShardNumber> = []
        var closed: Set<ShardNumber> = []
        for case .resharded(let resharding) in events {
            for step in resharding.steps {
                for parent in step.parents where opened.remove(parent.number) == nil { closed.insert(parent.number) }
                for child in step.children { opened.insert(child.number) }
            }
        }
        self.closed = closed.sorted()
        self.opened = opened.sorted()
    }
}
