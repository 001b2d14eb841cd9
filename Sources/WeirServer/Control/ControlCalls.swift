// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirProtocol
import WeirStorage

/// The calls that ask or change the catalog, and Status. Each is one short stay under the log's lock; the answer may be
/// given when its mark is reached.
struct ControlCalls {
    let loop: LoopContext

    struct Answer {
        let frame: [UInt8]
        let mark: Mark
        /// What the frame says, when it is a refusal.
        let error: WeirError.Code?
    }

    /// What a call found, and from when on it may be told.
    private struct Found<Value> {
        let value: Value
        let mark: Mark
    }

    func answer(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Answer {
        let call = Call(loop: self.loop, correlation: correlation, payload: payload)
        switch type {
        case .status: return call.status()
        case .createStream: return call.run(Self.create)
        case .describeStream: return call.run(Self.describe)
        case .listStreams: return call.run(Self.list)
        case .updateStream: return call.run(Self.update)
        case .trimStream: return call.run(Self.trim)
        case .deleteStream: return call.run(Self.delete)
        case .listShards: return call.run(Self.listShards)
        case .splitShard: return call.run(Self.split)
        case .mergeShards: return call.run(Self.merge)
        case .updateShardCount: return call.run(Self.rescale)
        default: return call.refuse(WeirError(.malformedRequest, "type \(type.rawValue) is no request"), .none)
        }
    }

    private struct Call {
        let loop: LoopContext
        let correlation: UInt64
        let payload: UnsafeRawBufferPointer

        /// Reads the request, runs `body` under the log's lock, and writes the answer outside of it.
        func run<Request: WireRequest, Value: WireMessage>(
            _ body: (Request, LogCore, Int64) throws(WeirError) -> Found<Value>
        ) -> Answer {
            let request: Request
            do {
                request = try Request(request: self.payload)
            } catch {
                return self.refuse(error, .none)
            }
            guard let type = Request.type.answer else {
                return self.refuse(WeirError(.internalFailure, "a request that has no answer"), .none)
            }
            let now = self.loop.node.clock.wallMillis
            let result = self.loop.withLog { log -> (Found<Value>?, WeirError?, Mark) in
                if let error = log.unavailable() { return (nil, error, .none) }
                do throws(WeirError) {
                    return (try body(request, log, now), nil, .none)
                } catch {
                    return (nil, error, log.catalogMark)
                }
            }
            if let error = result.1 { return self.refuse(error, result.2) }
            guard let found = result.0 else { preconditionFailure("a call without an answer") }
            return Answer(
                frame: found.value.frame(type, correlation: self.correlation), mark: found.mark, error: nil)
        }

        func refuse(_ error: WeirError, _ mark: Mark) -> Answer {
            Answer(frame: ErrorAnswer(error: error).frame(correlation: self.correlation), mark: mark, error: error.code)
        }

        func status() -> Answer {
            do {
                _ = try Status(request: self.payload)
            } catch {
                return self.refuse(error, .none)
            }
            let report = StatusReport(loop: self.loop)
            return Answer(
                frame: report.answer().frame(.statusAnswer, correlation: self.correlation), mark: report.mark,
                error: nil)
        }
    }

    // MARK: Streams

    private static func existing(_ id: StreamID, _ log: LogCore) throws(WeirError) -> StreamState {
        guard let stream = log.catalog.stream(id) else { throw log.missing(id) }
        return stream
    }

    private static func create(
        _ request: CreateStream, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<StreamAnswer> {
        let name = try StreamName(request.name)
        let submitted = try log.submit(
            .createStream(name: name, shards: Int(request.shards), settings: request.settings), nowMillis: now)
        guard let stream = log.catalog.stream(named: name) else {
            throw WeirError(.internalFailure, "stream '\(name)' is missing after it was made")
        }
        return Found(value: StreamAnswer(stream: stream.description), mark: submitted.mark)
    }

    private static func describe(
        _ request: DescribeStream, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<StreamAnswer> {
        let stream: StreamState
        switch request.stream {
        case .id(let id): stream = try Self.existing(id, log)
        case .name(let text):
            let name = try StreamName(text)
            guard let found = log.catalog.stream(named: name) else {
                throw WeirError(.streamNotFound, "stream '\(name)' does not exist")
            }
            stream = found
        }
        return Found(value: StreamAnswer(stream: stream.description), mark: log.catalogMark)
    }

    private static func list(
        _ request: ListStreams, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ListStreamsAnswer> {
        // The name need not be one of a stream, but it has to be a name.
        var after: StreamName?
        if let name = request.afterName { after = try StreamName(name) }
        let limit = min(Int(request.limit), Wire.answerRowsMax)
        let streams = log.catalog.streams(after: after, limit: limit + 1)
        return Found(
            value: ListStreamsAnswer(
                streams: streams.prefix(limit).map(\.description), hasMore: streams.count > limit),
            mark: log.catalogMark)
    }

    private static func update(
        _ request: UpdateStream, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<StreamAnswer> {
        let maxBytes: Int64?? =
            switch request.sizeCap {
            case .unchanged: nil
            case .set(let bytes): .some(bytes)
            case .removed: .some(nil)
            }
        let changes = StreamChanges(
            retentionMillis: request.retentionMillis, maxBytes: maxBytes, limits: request.limits,
            recordBytesMax: request.recordBytesMax.map { Int($0) })
        let submitted = try log.submit(.updateStream(request.stream, changes), nowMillis: now)
        let stream = try Self.existing(request.stream, log)
        return Found(value: StreamAnswer(stream: stream.description), mark: submitted.mark)
    }

    private static func trim(
        _ request: TrimStream, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<Empty> {
        let submitted = try log.submit(
            .trimStream(request.stream, beforeMillis: request.beforeMillis), nowMillis: now)
        return Found(value: Empty(), mark: submitted.mark)
    }

    private static func delete(
        _ request: DeleteStream, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<Empty> {
        Found(value: Empty(), mark: try log.submit(.deleteStream(request.stream), nowMillis: now).mark)
    }

    // MARK: Shards

    private static func listShards(
        _ request: ListShards, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ListShardsAnswer> {
        let stream = try Self.existing(request.stream, log)
        let filter: ShardFilter =
            switch request.filter {
            case .fromTrimHorizon: .fromTrimHorizon
            case .atTrimHorizon: .atTrimHorizon
            case .atLatest: .atLatest
            case .atTimestamp(let millis): .atTimestamp(millis)
            case .fromTimestamp(let millis): .fromTimestamp(millis)
            }
        let limit = min(Int(request.limit), Wire.answerRowsMax)
        let shards = stream.shards(filter, after: request.after, limit: limit + 1)
        return Found(
            value: ListShardsAnswer(
                mapVersion: stream.map.version, shards: Array(shards.prefix(limit)), hasMore: shards.count > limit),
            mark: log.catalogMark)
    }

    private static func split(
        _ request: SplitShard, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ReshardAnswer> {
        try Self.reshard(.splitShard(request.stream, request.shard, at: request.at), request.stream, log, now)
    }

    private static func merge(
        _ request: MergeShards, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ReshardAnswer> {
        try Self.reshard(
            .mergeShards(request.stream, request.first, request.second), request.stream, log, now)
    }

    private static func rescale(
        _ request: UpdateShardCount, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ReshardAnswer> {
        try Self.reshard(.rescale(request.stream, to: Int(request.target)), request.stream, log, now)
    }

    private static func reshard(
        _ command: CatalogCommand, _ id: StreamID, _ log: LogCore, _ now: Int64
    ) throws(WeirError) -> Found<ReshardAnswer> {
        let submitted = try log.submit(command, nowMillis: now)
        let stream = try Self.existing(id, log)
        let changes = ReshardChanges(submitted.events)
        return Found(
            value: ReshardAnswer(
                mapVersion: stream.map.version, closed: changes.closed, opened: changes.opened),
            mark: submitted.mark)
    }
}

/// Which shards a resharding has closed and opened in the end; those that it opened and closed again are neither.
struct ReshardChanges: Hashable {
    var closed: [ShardNumber] = []
    var opened: [ShardNumber] = []

    init(_ events: [CatalogEvent]) {
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
