// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import NIOPosix
import Synchronization
import WeirEngine
import WeirIO
import WeirModel
import WeirProtocol
import WeirStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A node: the log, and the door through which clients come to it. It listens when `start` has returned.
package final class Node: Sendable {
    /// Where it listens, with the real port.
    package let addresses: [SocketAddress]
    /// The first of them.
    package var address: SocketAddress { self.addresses[0] }
    let core: NodeCore
    private let door: Door
    private let group: MultiThreadedEventLoopGroup
    private let listeners: [any Channel]
    private let ending: Ending
    private let ticks: [RepeatedTask]
    private let isShuttingDown = Atomic<Bool>(false)

    private init(
        _ core: NodeCore, door: Door, group: MultiThreadedEventLoopGroup, listeners: [any Channel], ending: Ending,
        ticks: [RepeatedTask]
    ) {
        self.core = core
        self.door = door
        self.group = group
        self.listeners = listeners
        self.addresses = listeners.compactMap(\.localAddress)
        self.ending = ending
        self.ticks = ticks
    }

    /// What recovery found, in sentences for the log.
    package var recoveryReport: [String] { self.core.storage.recoveryReport }

    /// Where deliveries are asked for, for whoever runs them.
    package var deliveries: DeliveryDesk { self.core.engine.deliveries }

    /// Ends when the node has: with the sentence why when it had to give up, with `nil` after `shutdown`.
    package var stopped: String? {
        get async { await self.ending.reason }
    }

    // MARK: Starting

    /// Opens and recovers the log, then listens. Throws `NodeError` with a sentence for the operator; then nothing is
    /// left open.
    ///
    /// `disk`: the data folder when it is open already; by default it is opened by its path. `openFilesMax`: files that
    /// this process may have open; `nil` is without a limit. Where they are too few for the connections that are
    /// configured, fewer are allowed. `listens`: clients come over sockets; otherwise only those come that this process
    /// brings to the door itself.
    package static func start(
        _ configuration: NodeConfiguration, on disk: (any FileSystem)? = nil, clock: any Clock = SystemClock(),
        openFilesMax: Int? = nil, listens: Bool = true, logger: Logger
    ) async throws(NodeError) -> Node {
        try configuration.validate()
        let plan = try DescriptorPlan(
            limit: openFilesMax, connectionsMax: configuration.connectionsMax, loops: configuration.loops)
        if let sentence = plan.sentence { logger.warning("\(sentence)") }
        var configuration = configuration
        configuration.connectionsMax = plan.connections
        configuration.storage.readFilesMax = plan.readFiles
        let places = listens ? Places(plan.connections + plan.turnedAway) : nil
        return try await Self.start(configuration, on: disk, clock: clock, places: places, logger: logger)
    }

    /// `places`: `nil` for a node that does not listen.
    private static func start(
        _ configuration: NodeConfiguration, on disk: (any FileSystem)?, clock: any Clock, places: Places?,
        logger: Logger
    ) async throws(NodeError) -> Node {
        let relay = ProgressRelay(logger: logger)
        let storage: Storage
        do {
            storage = try await Blocking.run {
                guard let disk else {
                    return try Storage.open(configuration.storage, clock: clock) { relay.report($0) }
                }
                return try Storage.open(configuration.storage, on: disk, clock: clock) { relay.report($0) }
            }
        } catch let error as StorageError {
            throw NodeError(error.message)
        } catch {
            throw NodeError("the log cannot be opened: \(error)")
        }
        let core = NodeCore(configuration, storage: storage, clock: clock, relay: relay, logger: logger)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.loops)
        do {
            return try await Self.open(core, group, places)
        } catch {
            await Self.end(core, group)
            throw error as? NodeError
                ?? NodeError("cannot listen on \(configuration.host):\(configuration.port): \(Self.words(error))")
        }
    }

    /// The system's own words; NIO puts those of its functions around them.
    private static func words(_ error: any Error) -> String {
        (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    }

    private static func open(
        _ core: NodeCore, _ group: MultiThreadedEventLoopGroup, _ places: Places?
    ) async throws -> Node {
        let ending = Ending()
        var loops: [LoopHandle] = []
        var hosts: [EventLoopHost] = []
        var counters: [Counters] = []
        var ticks: [RepeatedTask] = []
        for eventLoop in group.makeIterator() {
            let (loop, host, count, task) = try await eventLoop.submit {
                let context = LoopContext(core, eventLoop)
                let bound = NIOLoopBound(context, eventLoop: eventLoop)
                let every = TimeAmount.milliseconds(100)
                let task = eventLoop.scheduleRepeatedTask(initialDelay: every, delay: every) { _ in
                    bound.value.tick()
                }
                return (LoopHandle(context, eventLoop), context.host, context.lane.counters, task)
            }.get()
            loops.append(loop)
            hosts.append(host)
            counters.append(count)
            ticks.append(task)
        }
        core.attach(loops, hosts, counters)
        let inboxes = hosts.map { LaneInbox($0) }
        core.relay.attach(inboxes) { ending.end($0) }
        // What happened before the relay knew the loops, a failed write and the term after it too: the log itself says
        // it, and not how often something was reported.
        let now = core.storage.withLog { $0.watermark }
        for inbox in inboxes { inbox.post(.durable(now, shards: [])) }
        let door = Door(core, loops)
        var listeners: [any Channel] = []
        if let places {
            listeners = try await Listening.bind(
                door.bootstrap(group, places), ListenAddress.all(core.configuration.host),
                port: core.configuration.port)
        }
        return Node(core, door: door, group: group, listeners: listeners, ending: ending, ticks: ticks)
    }

    // MARK: Ending

    /// Stops listening, finishes what is under way for at most `drain`, says goodbye to every client, and closes the
    /// log: everything that was acknowledged is on disk, and provably so.
    package func shutdown(drain: Duration = .seconds(30)) async {
        guard !self.isShuttingDown.exchange(true, ordering: .acquiringAndReleasing) else {
            _ = await self.ending.reason
            return
        }
        for listener in self.listeners { try? await listener.close().get() }
        self.core.beginDrain()
        self.core.onEveryLoop { $0.drain() }
        self.core.endDrainWhenEmpty()
        let nanoseconds = drain.components.seconds * 1_000_000_000 + drain.components.attoseconds / 1_000_000_000
        let core = self.core
        let patience = self.group.next().scheduleTask(in: .nanoseconds(max(0, nanoseconds))) { core.drained.end(nil) }
        _ = await self.core.drained.reason
        patience.cancel()
        self.core.onEveryLoop { $0.closeAll() }
        for task in self.ticks { task.cancel() }
        await Self.end(self.core, self.group)
        self.ending.end(nil)
    }

    private static func end(_ core: NodeCore, _ group: MultiThreadedEventLoopGroup) async {
        do {
            try await Blocking.run { core.storage.shutdown() }
        } catch {
            core.logger.error("closing the log failed", metadata: ["reason": "\(error)"])
        }
        do {
            try await group.shutdownGracefully()
        } catch {
            core.logger.error("stopping the event loops failed", metadata: ["reason": "\(error)"])
        }
    }
}

// MARK: - In the same process

extension Node {
    package var engine: Engine { self.core.engine }
    /// The first of its event loops.
    package var loop: any EventLoop { self.door.loops[0].eventLoop }
    /// The lane of `loop`; on that loop only.
    package var lane: Lane { self.door.loops[0].onLoop.lane }

    /// Takes a connection that came over no listener: gives the channel, which is on `loop`, its handler. On that loop.
    package func welcome(_ channel: any Channel) { _ = self.door.welcome(channel) }
}

/// Runs what blocks on a thread that may be blocked.
private enum Blocking {
    static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
