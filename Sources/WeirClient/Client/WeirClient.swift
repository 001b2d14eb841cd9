// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirIO
import WeirModel
import WeirProtocol

/// A client of one node: admin calls, producers and readers over a bounded set of connections.
///
/// Calls throw `WeirError`, or `CancellationError` when their task is cancelled. Each has a time limit, by default
/// `ClientConfiguration.callTimeout`; over it a call throws `timedOut`. When nobody listens at the address a call
/// throws `unavailable` at once.
public final class WeirClient: Sendable {
    public let configuration: ClientConfiguration
    let transport: any Transport
    let clock: any Clock
    let dice: Dice
    let watch: ConnectionWatch?
    private let control: ConnectionKeeper
    private let readers: [ConnectionKeeper]
    private let state = Mutex(State())

    private struct State {
        var producers: [ObjectIdentifier: ProducerCore] = [:]
        var nextReader = 0
        var isClosed = false
        /// Whoever runs the client, to be told when it is closed.
        var running: [Completion<Void>] = []
    }

    /// Does not connect yet. Throws `invalidArgument` for a configuration outside its ranges.
    public convenience init(_ configuration: ClientConfiguration) throws(WeirError) {
        try configuration.validate()
        try self.init(
            configuration,
            transport: TCPTransport(
                host: configuration.host, port: configuration.port, threads: configuration.threads))
    }

    package init(
        _ configuration: ClientConfiguration, transport: any Transport, clock: any Clock = SystemClock(),
        dice: @escaping Dice = systemDice
    ) throws(WeirError) {
        try configuration.validate()
        self.configuration = configuration
        self.transport = transport
        self.clock = clock
        self.dice = dice
        let watch = configuration.onConnection.map { ConnectionWatch($0) }
        self.watch = watch
        let open: @Sendable () async throws -> ClientConnection = {
            try await ClientConnection.open(
                transport, try Self.settings(configuration, clock: clock, sessionID: 0, putSink: nil, watch: watch))
        }
        self.control = ConnectionKeeper(open: open)
        self.readers = (0..<configuration.readerConnections).map { _ in ConnectionKeeper(open: open) }
    }

    static func settings(
        _ configuration: ClientConfiguration, clock: any Clock, sessionID: UInt64, connectionNumber: UInt64 = 0,
        putSink: (any PutSink)?, watch: ConnectionWatch?
    ) throws(WeirError) -> ClientConnection.Settings {
        ClientConnection.Settings(
            hello: try Hello(
                clientName: configuration.name, sessionID: sessionID, connectionNumber: connectionNumber), clock: clock,
            connectTimeout: configuration.connectTimeout, pingInterval: configuration.pingInterval,
            logger: configuration.logger, watch: watch, putSink: putSink)
    }

    /// Connects and says hello.
    public static func connect(
        _ configuration: ClientConfiguration = ClientConfiguration()
    ) async throws -> WeirClient {
        let client = try WeirClient(configuration)
        do {
            _ = try await client.control.connection()
        } catch {
            await client.close()
            throw error
        }
        return client
    }

    public static func connect(host: String, port: Int) async throws -> WeirClient {
        try await Self.connect(ClientConfiguration(host: host, port: port))
    }

    /// Closes all connections, and returns when nothing of the client is at work any more. Producers should be finished
    /// before: what they still hold fails with `unavailable`.
    public func close() async {
        let (producers, running) = self.state.withLock { state in
            state.isClosed = true
            defer { state.running = [] }
            return (state.producers.values.map { $0 }, state.running)
        }
        var tasks = producers.flatMap { $0.cancel() }
        tasks += ([self.control] + self.readers).compactMap { $0.close() }
        await self.transport.shutdown()
        for task in tasks { await task.value }
        for completion in running { completion.finish(.success(())) }
    }
}

// MARK: - Calls

extension WeirClient {
    func deadline(_ timeout: Duration?) -> UInt64 {
        self.clock.monotonicNanos + (timeout ?? self.configuration.callTimeout).nanos
    }

    /// Asks and waits. Repeats what the server wants repeated until the time is up; a request that may have been
    /// carried out only when that does no harm. When nobody can be connected to it fails at once.
    func call<C: WireCall>(_ request: C, timeout: Duration?, isRepeatable: Bool) async throws -> C.Answer {
        let deadline = self.deadline(timeout)
        return try await self.repeating(until: deadline, isRepeatable: isRepeatable) { connection in
            try await connection.call(request, deadline: deadline)
        }
    }

    func repeating<Answer>(
        until deadline: UInt64, isRepeatable: Bool, _ ask: (ClientConnection) async throws -> Answer
    ) async throws -> Answer {
        var attempts = 0
        while true {
            attempts += 1
            let connection = try await self.control.connection()
            do {
                return try await ask(connection)
            } catch let error as WeirError {
                let now = self.clock.monotonicNanos
                let decision = self.configuration.retry.decide(
                    error, attempt: attempts, isRepeatable: isRepeatable, dice: self.dice())
                guard case .again(let pause) = decision, now + pause < deadline else { throw error }
                try await self.clock.sleep(until: now + pause)
            }
        }
    }

    /// The connection for calls.
    func controlConnection() async throws -> ClientConnection { try await self.control.connection() }
}

// MARK: - Readers and producers

extension WeirClient {
    /// The connection for the next subscription: they take turns.
    func readerConnection() async throws -> ClientConnection {
        let position = self.state.withLock { state in
            defer { state.nextReader = (state.nextReader + 1) % self.readers.count }
            return state.nextReader
        }
        return try await self.readers[position].connection()
    }

    /// Counts a producer, whose connection is its own.
    func register(_ producer: ProducerCore) throws(WeirError) {
        let countMax = max(1, self.configuration.connectionsMax - 1 - self.configuration.readerConnections)
        let refusal = self.state.withLock { state -> WeirError? in
            if state.isClosed { return ConnectionKeeper.closedError }
            guard state.producers.count < countMax else {
                return WeirError(
                    .limitExceeded,
                    "\(countMax) producers of this client are open; connectionsMax is "
                        + "\(self.configuration.connectionsMax)")
            }
            state.producers[ObjectIdentifier(producer)] = producer
            return nil
        }
        if let refusal { throw refusal }
    }

    /// How often it is being run.
    var runCount: Int { self.state.withLock { $0.running.count } }

    var openProducers: [ProducerCore] { self.state.withLock { Array($0.producers.values) } }

    /// Tells when the client is closed; false when it is already.
    func awaitClose(_ completion: Completion<Void>) -> Bool {
        self.state.withLock { state in
            if !state.isClosed { state.running.append(completion) }
            return !state.isClosed
        }
    }

    func unregister(_ producer: ProducerCore) {
        self.state.withLock { _ = $0.producers.removeValue(forKey: ObjectIdentifier(producer)) }
    }
}
