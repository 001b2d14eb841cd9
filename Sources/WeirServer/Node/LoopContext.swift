// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirEngine
import WeirModel

/// What a node keeps on one event loop: the engine's lane there, and the connections that speak to it. Touched only
/// there.
final class LoopContext {
    let node: NodeCore
    let eventLoop: any EventLoop
    let host: EventLoopHost
    let lane: Lane
    let frames = MemoryPool()
    private var connections: [UInt64: Connection] = [:]
    /// Connections that have written and not flushed.
    private var unflushed: [Connection] = []
    /// Connections that can write again, to be served in the next turn.
    private var resuming: [Connection] = []
    private var isResumeScheduled = false
    private var handle: LoopHandle?

    /// On the loop itself.
    init(_ node: NodeCore, _ eventLoop: any EventLoop) {
        self.node = node
        self.eventLoop = eventLoop
        self.host = EventLoopHost(eventLoop)
        self.lane = Lane(node.engine, on: self.host)
        self.handle = LoopHandle(self, eventLoop)
        self.host.attach(self)
    }

    // MARK: Connections

    func add(_ connection: Connection) {
        self.connections[connection.id] = connection
        self.lane.add(connection.caller, connection)
    }

    func remove(_ connection: Connection) {
        self.connections[connection.id] = nil
        self.lane.remove(connection.caller)
        self.unflushed.removeAll { $0 === connection }
        self.resuming.removeAll { $0 === connection }
    }

    func connection(_ id: UInt64) -> Connection? { self.connections[id] }

    /// `nil` once the node has closed everything.
    func handle(of connection: Connection) -> ConnectionHandle? {
        self.handle.map { ConnectionHandle(loop: $0, id: connection.id) }
    }

    /// The older connection of the session of connection `id` is fenced.
    func fenced(_ id: UInt64) {
        self.connections[id]?.olderIsFenced()
        self.flush()
    }

    /// Deadlines of connections, a few times a second.
    func tick() {
        let now = self.node.nowMillis
        for connection in Array(self.connections.values) { connection.tick(nowMillis: now) }
        self.lane.tick()
        self.node.lookAtFullLog()
        self.flush()
    }

    func drain() {
        for connection in Array(self.connections.values) { connection.drain() }
        self.flush()
    }

    /// Closes every connection at once; nothing that others report is taken any more.
    func closeAll() {
        for connection in Array(self.connections.values) { connection.abandon() }
        self.host.detach()
        self.handle = nil
    }

    // MARK: Writing

    /// The connection has written; one flush follows for all it wrote in this turn.
    func willFlush(_ connection: Connection) { self.unflushed.append(connection) }

    func flush() {
        // A flush may lead to more writes; those have their own.
        while let connection = self.unflushed.popLast() { connection.flushNow() }
    }

    /// The connection can write again: it is served in a turn of its own, so that one fast reader leaves time to
    /// others.
    func resumeSoon(_ connection: Connection) {
        self.resuming.append(connection)
        guard !self.isResumeScheduled else { return }
        self.isResumeScheduled = true
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.eventLoop.execute { bound.value.resume() }
    }

    private func resume() {
        self.isResumeScheduled = false
        let connections = self.resuming
        self.resuming.removeAll(keepingCapacity: true)
        for connection in connections { connection.resume() }
        self.flush()
    }
}

/// An event loop and what a node keeps there, for those who are elsewhere.
struct LoopHandle: Sendable {
    let eventLoop: any EventLoop
    private let bound: NIOLoopBound<LoopContext>

    /// On the loop itself.
    init(_ context: LoopContext, _ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.bound = NIOLoopBound(context, eventLoop: eventLoop)
    }

    /// On the loop only.
    var onLoop: LoopContext { self.bound.value }

    /// Runs `body` on the loop, soon.
    func run(_ body: @escaping @Sendable (LoopContext) -> Void) {
        let bound = self.bound
        self.eventLoop.execute { body(bound.value) }
    }
}
