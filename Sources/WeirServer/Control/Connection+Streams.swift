// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirEngine
import WeirModel
import WeirProtocol
import WeirStorage

/// The calls that ask or change streams and shards, and Status: from messages to calls of the engine and back.
extension Connection {
    /// False for every other type.
    func serveStreams(_ type: FrameType, _ correlation: UInt64, _ payload: UnsafeRawBufferPointer) -> Bool {
        let lane = self.lane
        switch type {
        case .status:
            self.ask(correlation, payload) { (_: Status) in
                let counts = lane.counts()
                return counts.map { StatusReport(self.node, streams: $0.streams, openShards: $0.openShards).answer() }
            }
        case .createStream: self.ask(correlation, payload, self.create)
        case .describeStream: self.ask(correlation, payload, self.describe)
        case .listStreams: self.ask(correlation, payload, self.list)
        case .updateStream: self.ask(correlation, payload, self.update)
        case .trimStream:
            self.ask(correlation, payload) { (request: TrimStream) in
                lane.trimStream(request.stream, beforeMillis: request.beforeMillis).map { Empty() }
            }
        case .deleteStream:
            self.ask(correlation, payload) { (request: DeleteStream) in
                lane.deleteStream(request.stream).map { Empty() }
            }
        case .listShards: self.ask(correlation, payload, self.listShards)
        case .splitShard:
            self.ask(correlation, payload) { (request: SplitShard) in
                lane.splitShard(ShardRef(stream: request.stream, shard: request.shard), at: request.at)
                    .map { ReshardAnswer($0) }
            }
        case .mergeShards:
            self.ask(correlation, payload) { (request: MergeShards) in
                lane.mergeShards(of: request.stream, request.first, request.second).map { ReshardAnswer($0) }
            }
        case .updateShardCount:
            self.ask(correlation, payload) { (request: UpdateShardCount) in
                lane.rescale(request.stream, to: Int(request.target)).map { ReshardAnswer($0) }
            }
        default: return false
        }
        return true
    }

    /// Reads the request, asks the engine, and answers when that may be told.
    func ask<Request: WireRequest, Answer: WireMessage & Sendable>(
        _ correlation: UInt64, _ payload: UnsafeRawBufferPointer,
        _ body: (Request) throws(WeirError) -> Told<Answer>
    ) {
        guard let type = Request.type.answer else { preconditionFailure("a request that has no answer") }
        self.reply(correlation) { () throws(WeirError) in
            try body(try Request(request: payload))
        } frame: {
            $0.told(to: self.session.features).frame(type, correlation: correlation)
        }
    }

    /// Answers what the engine says when that may be told, or why it was not asked.
    func reply<Answer>(
        _ correlation: UInt64, _ ask: () throws(WeirError) -> Told<Answer>, frame: (Answer) -> [UInt8]
    ) {
        do throws(WeirError) {
            let told = try ask()
            self.lane.learn(told.watermark)
            switch told.value {
            case .success(let answer): self.answer(told.mark, frame(answer))
            case .failure(let error): self.answer(told.mark, error, correlation)
            }
        } catch {
            self.answer(.none, error, correlation)
        }
    }

    private func create(_ request: CreateStream) throws(WeirError) -> Told<StreamAnswer> {
        self.lane.createStream(
            try request.name.get(), shards: Int(request.shards), settings: request.settings
        ).map { StreamAnswer(stream: $0) }
    }

    private func describe(_ request: DescribeStream) throws(WeirError) -> Told<StreamAnswer> {
        switch request.stream {
        case .id(let id): self.lane.describeStream(id).map { StreamAnswer(stream: $0) }
        case .name(let name): self.lane.describeStream(try name.get()).map { StreamAnswer(stream: $0) }
        }
    }

    private func list(_ request: ListStreams) throws(WeirError) -> Told<ListStreamsAnswer> {
        // The name need not be one of a stream, but it has to be a name.
        var after: StreamName?
        if let name = request.afterName { after = try name.get() }
        return self.lane.listStreams(after: after, limit: min(Int(request.limit), Wire.answerRowsMax))
            .map { ListStreamsAnswer(streams: $0.streams, hasMore: $0.hasMore) }
    }

    private func update(_ request: UpdateStream) throws(WeirError) -> Told<StreamAnswer> {
        let maxBytes: Int64?? =
            switch request.sizeCap {
            case .unchanged: nil
            case .set(let bytes): .some(bytes)
            case .removed: .some(nil)
            }
        let changes = StreamChanges(
            retentionMillis: request.retentionMillis, maxBytes: maxBytes, limits: request.limits,
            recordBytesMax: request.recordBytesMax.map { Int($0) })
        return self.lane.updateStream(request.stream, changes).map { StreamAnswer(stream: $0) }
    }

    private func listShards(_ request: ListShards) throws(WeirError) -> Told<ListShardsAnswer> {
        let limit = min(Int(request.limit), Wire.answerRowsMax)
        return self.lane.listShards(of: request.stream, request.filter, after: request.after, limit: limit)
            .map { ListShardsAnswer(mapVersion: $0.mapVersion, shards: $0.shards, hasMore: $0.hasMore) }
    }
}

extension ReshardAnswer {
    init(_ resharded: Lane.Resharded) {
        self.init(
            mapVersion: resharded.mapVersion, closed: resharded.changes.closed, opened: resharded.changes.opened)
    }
}
