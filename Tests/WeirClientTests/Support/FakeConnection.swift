// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirEngine
import WeirModel
import WeirProtocol

@testable import WeirClient

/// The server's end of one connection to a `FakeNode`.
final class FakeConnection: FrameReceiver {
    struct Subscription {
        let id: UInt32
        let stream: StreamID
        let shard: ShardNumber
        var next: UInt64
        var credit: SubscriptionCredit
        var isOver = false
    }

    struct State {
        var ordered = OrderedPuts()
        var subscriptions: [Subscription] = []
        var lastSubscription: UInt32 = 0
    }

    let node: FakeNode
    let way: any FrameConnection
    let state = Mutex(State())

    init(_ node: FakeNode, _ way: any FrameConnection) {
        self.node = node
        self.way = way
    }

    func closed(_ reason: WeirError) {
        self.node.state.withLock { $0.connections.removeAll { $0 === self } }
    }

    func send(_ frame: [UInt8]) { self.way.send(ByteBuffer(bytes: frame)) }

    func received(_ header: FrameHeader, _ frame: ByteBuffer, isOwned: Bool) {
        frame.withUnsafeReadableBytes { raw in
            let payload = raw.slice(FrameHeader.bytes, header.length)
            do throws(WeirError) {
                try self.handle(header, payload)
            } catch {
                self.send(ErrorAnswer(error: error).frame(correlation: header.correlation))
            }
        }
    }

    private func handle(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) throws(WeirError) {
        let correlation = header.correlation
        switch header.type {
        case .hello:
            let hello = try Hello(request: payload)
            self.node.state.withLock { state in
                state.sessions.append(hello.sessionID)
                if hello.sessionID != 0 { state.connectionNumbers.append(hello.connectionNumber) }
            }
            let answer = HelloAnswer(
                features: self.node.features, nodeID: 1, putCreditBytes: 64 << 20,
                putCreditRequests: self.node.putCredit,
                frameBytesMax: UInt32(Limits.frameBytesMax), serverTimeMillis: 5000, serverName: "fake 1")
            self.send(Hello.answerFrame(answer, correlation: correlation))
        case .ping:
            guard self.node.state.withLock({ $0.answersPings }) else { return }
            self.send(Ping.answerFrame(PingAnswer(serverTimeMillis: 5000), correlation: correlation))
        case .describeStream:
            let stream = try self.stream(try DescribeStream(request: payload).stream)
            self.send(DescribeStream.answerFrame(StreamAnswer(stream: stream.description), correlation: correlation))
        case .listShards: try self.listShards(try ListShards(request: payload), correlation)
        case .putRecords: try self.put(payload, correlation)
        case .getShardIterator:
            let request = try GetShardIterator(request: payload)
            let index = try self.index(request.start, request.shard, try self.stream(.id(request.stream)))
            let token = IteratorToken(
                stream: request.stream, shard: request.shard, index: index, issuedAtMillis: 0, nodeID: 1)
            let answer = GetShardIteratorAnswer(iterator: token.encode())
            self.send(GetShardIterator.answerFrame(answer, correlation: correlation))
        case .getRecords:
            let request = try GetRecords(request: payload)
            switch request.from {
            case .place(let stream, let shard, let start): try self.read(request, stream, shard, start, correlation)
            case .iterator(let bytes): try self.describeTip(try IteratorToken(parsing: bytes), correlation)
            }
        case .subscribe: try self.subscribe(try Subscribe(request: payload), correlation)
        case .credit:
            guard let credit = try? Credit(payload: payload) else { return }
            self.state.withLock { state in
                for position in state.subscriptions.indices
                where state.subscriptions[position].id == credit.subscription {
                    state.subscriptions[position].credit.grant(bytes: credit.bytes)
                }
            }
            self.pushAll()
        case .unsubscribe:
            let id = try Unsubscribe(request: payload).subscription
            self.state.withLock { state in state.subscriptions.removeAll { $0.id == id } }
            self.send(Unsubscribe.answerFrame(Empty(), correlation: correlation))
        default: try self.handleGroups(header.type, payload, correlation)
        }
    }

    /// As if the caller wanted no bytes: what it missed is told all the same.
    private func describeTip(_ token: IteratorToken, _ correlation: UInt64) throws(WeirError) {
        let shards = try self.stream(.id(token.stream)).shards
        let first = max(token.index, shards[Int(token.shard.rawValue)].horizon)
        let header = RecordsHeader(
            stream: token.stream, shard: token.shard, firstIndex: first, nextIndex: first, millisBehindLatest: 0,
            missedRecords: first - token.index, shardCreationSecond: 1, batchBytes: 0, nextIterator: token.encode())
        self.send(header.answerHead(correlation: correlation))
    }

    private func stream(_ reference: DescribeStream.Reference) throws(WeirError) -> FakeNode.Stream {
        let stream = self.node.state.withLock { state -> FakeNode.Stream? in
            switch reference {
            case .id(let id): state.streams[id]
            case .name(let name): state.streams.values.first { $0.description.name.description == name }
            }
        }
        guard let stream else { throw WeirError(.streamNotFound, "no such stream") }
        if stream.isDeleted { throw WeirError(.streamDeleted, "the stream was deleted") }
        return stream
    }

    private func listShards(_ request: ListShards, _ correlation: UInt64) throws(WeirError) {
        let stream = try self.stream(.id(request.stream))
        let all = stream.shards.map(\.description).filter { shard in
            if let after = request.after, shard.number <= after { return false }
            return request.filter == .atLatest ? shard.isOpen : true
        }
        // Pages of three, so that putting them together is tried.
        let answer = ListShardsAnswer(
            mapVersion: stream.description.mapVersion, shards: Array(all.prefix(3)), hasMore: all.count > 3)
        self.send(ListShards.answerFrame(answer, correlation: correlation))
    }

    private func index(
        _ start: ShardIteratorType, _ number: ShardNumber, _ stream: FakeNode.Stream
    ) throws(WeirError) -> UInt64 {
        guard number.rawValue < stream.shards.count else { throw WeirError(.shardNotFound, "no such shard") }
        let shard = stream.shards[Int(number.rawValue)]
        switch start {
        case .start(.trimHorizon): return max(shard.description.firstIndex, shard.horizon)
        case .start(.latest): return shard.endIndex
        case .atSequenceNumber(let number): return number.index
        case .afterSequenceNumber(let number): return number.index + 1
        case .start(.atTimestamp): throw WeirError(.invalidArgument, "the fake node keeps no time")
        }
    }
}

// MARK: - Subscriptions

extension FakeConnection {
    private func index(
        _ start: ReadStart, _ shard: ShardNumber, _ stream: FakeNode.Stream
    ) throws(WeirError) -> UInt64 {
        guard shard.rawValue < stream.shards.count else { throw WeirError(.shardNotFound, "no such shard") }
        return switch start {
        case .index(let index): index
        case .iterator(let start): try self.index(start, shard, stream)
        }
    }

    /// Answers with what there is, or with nothing.
    private func read(
        _ request: GetRecords, _ stream: StreamID, _ shard: ShardNumber, _ start: ReadStart, _ correlation: UInt64
    ) throws(WeirError) {
        try self.checkLease(request)
        let found = try self.stream(.id(stream))
        let next = try self.index(start, shard, found)
        let most = self.node.state.withLock { $0.batchesPerPush }
        let (header, bytes) = Self.records(from: next, of: shard, found, most)
        self.send(header.answerHead(correlation: correlation) + bytes)
    }

    private func subscribe(_ request: Subscribe, _ correlation: UInt64) throws(WeirError) {
        try self.checkLease(request)
        let next = try self.index(request.start, request.shard, try self.stream(.id(request.stream)))
        let id = self.state.withLock { state in
            state.lastSubscription += 1
            state.subscriptions.append(
                Subscription(
                    id: state.lastSubscription, stream: request.stream, shard: request.shard, next: next,
                    credit: SubscriptionCredit(bytes: request.creditBytes)))
            return state.lastSubscription
        }
        self.send(Subscribe.answerFrame(SubscribeAnswer(subscription: id), correlation: correlation))
        self.pushAll()
    }

    /// Sends each subscription what there is for it.
    func pushAll() {
        let (streams, most) = self.node.state.withLock { ($0.streams, $0.batchesPerPush) }
        let frames = self.state.withLock { state -> [[UInt8]] in
            var frames: [[UInt8]] = []
            for position in state.subscriptions.indices {
                while let frame = Self.push(&state.subscriptions[position], streams, most) { frames.append(frame) }
            }
            state.subscriptions.removeAll { $0.isOver }
            return frames
        }
        for frame in frames { self.send(frame) }
    }

    private static func push(
        _ subscription: inout Subscription, _ streams: [StreamID: FakeNode.Stream], _ most: Int
    ) -> [UInt8]? {
        guard !subscription.isOver, subscription.credit.mayPush, let stream = streams[subscription.stream] else {
            return nil
        }
        if stream.isDeleted {
            subscription.isOver = true
            return SubscriptionEnded(
                subscription: subscription.id, error: WeirError(.streamDeleted, "the stream was deleted")
            ).frame()
        }
        let (header, bytes) = Self.records(from: subscription.next, of: subscription.shard, stream, most)
        guard !bytes.isEmpty || header.isEndOfShard else { return nil }
        subscription.next = header.nextIndex
        subscription.credit.take(batchBytes: UInt32(bytes.count))
        subscription.isOver = header.isEndOfShard
        return header.pushHead(subscription: subscription.id) + bytes
    }

    /// At most so many batches from an index on.
    private static func records(
        from index: UInt64, of number: ShardNumber, _ stream: FakeNode.Stream, _ most: Int
    ) -> (RecordsHeader, [UInt8]) {
        let shard = stream.shards[Int(number.rawValue)]
        let first = max(index, shard.horizon)
        let batches = shard.batches.filter { $0.placement.endIndex > first }.prefix(most)
        let next = batches.last.map(\.placement.endIndex) ?? first
        let isEnd = shard.description.closed.map { next >= $0.endIndex } ?? false
        let bytes = batches.flatMap(\.bytes)
        let children = stream.shards.map(\.description).filter { $0.parents.contains(number) }
        let header = RecordsHeader(
            stream: stream.description.id, shard: number, firstIndex: first, nextIndex: next, millisBehindLatest: 0,
            missedRecords: first - index, shardCreationSecond: shard.description.creationSecond,
            batchBytes: UInt32(bytes.count), isEndOfShard: isEnd, children: isEnd ? children : [])
        return (header, bytes)
    }
}
