// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization
import WeirEngine
import WeirModel

/// Accepts connections and gives each its handler.
struct Door: Sendable {
    private let core: NodeCore
    let loops: [LoopHandle]

    init(_ core: NodeCore, _ loops: [LoopHandle]) {
        self.core = core
        self.loops = loops
    }

    func bootstrap(_ group: any EventLoopGroup, _ places: Places) -> ServerBootstrap {
        // Grows while reads fill it, so that an idle connection costs little and a busy one reads in large pieces.
        let receive = self.core.configuration.receiveBytes
        let smallest = min(8192, receive)
        let buffers = AdaptiveRecvByteBufferAllocator(minimum: smallest, initial: smallest, maximum: receive)
        return ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PlaceKeeper(places))
                }
            }
            // As the keeper of the places wants it.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // A client that vanished without a word does not hold its place for ever.
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            // Who ends its input can still be answered.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.recvAllocator, value: buffers)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .childChannelInitializer { channel in self.welcome(channel) }
    }

    /// Gives a channel on one of the node's loops its handler. On that loop.
    func welcome(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let loop = self.loops.first(where: { $0.eventLoop === channel.eventLoop }) else {
            return channel.eventLoop.makeFailedFuture(NodeError("a connection on an unknown event loop"))
        }
        let core = self.core
        return channel.eventLoop.makeCompletedFuture {
            let context = loop.onLoop
            let (before, _) = core.connectionCount.add(1, ordering: .sequentiallyConsistent)
            Counters.add(1, to: context.lane.counters.connectionsAccepted)
            let connection = Connection(
                context, peer: channel.remoteAddress?.description ?? "unknown", refusal: Self.refusal(core, before))
            do {
                try channel.pipeline.syncOperations.addHandler(connection)
            } catch {
                core.connectionEnded()
                throw error
            }
        }
    }

    private static func refusal(_ core: NodeCore, _ before: Int) -> WeirError? {
        if core.isDraining { return Connection.goingDown }
        guard before >= core.configuration.connectionsMax else { return nil }
        return WeirError(
            .limitExceeded,
            "the node has \(before) connections; \(core.configuration.connectionsMax) are allowed",
            verdict: .init(maybeStored: false, retry: .after(millis: 1000)))
    }
}
