// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization
import WeirClient
import WeirConsumer
import WeirDelivery
import WeirEngine
import WeirIO
import WeirModel
import WeirServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The deliveries that `weir serve --deliver-to FOLDER` runs: a client of its own node, like any other.
final class ServerDeliveries: Sendable {
    private struct State {
        var host: DeliveryHost?
        var isStopped = false
    }

    private let root: String
    private let client: ClientConfiguration
    private let desk: DeliveryDesk
    private let logger: Logger
    private let drain: Duration
    private let state = Mutex(State())
    private let ending = AsyncStream<Never>.makeStream()

    /// Throws when the settings name a folder that cannot be written to.
    static func check(_ settings: ServeSettings) throws {
        guard let root = settings.deliverTo else { return }
        var status = stat()
        var reason: String?
        if stat(root, &status) != 0 {
            reason = String(cString: strerror(errno))
        } else if status.st_mode & S_IFMT != S_IFDIR {
            reason = "it is no folder"
        } else if access(root, W_OK | X_OK) != 0 {
            reason = String(cString: strerror(errno))
        }
        guard let reason else { return }
        throw Failure(
            .failed,
            "deliveries cannot write files below \(root): \(reason). It must be there, and this user's to write to")
    }

    /// `nil` when the settings name no folder. From now on deliveries may be asked for.
    init?(_ settings: ServeSettings, _ node: Node, _ logger: Logger) {
        guard let root = settings.deliverTo else { return nil }
        self.root = root
        let address = ServerAddress.reaching(
            host: node.address.ipAddress ?? settings.listen.host, port: node.address.port ?? settings.listen.port)
        self.client = ClientConfiguration(host: address.host, port: address.port, name: "weir-deliveries")
        self.desk = node.deliveries
        self.logger = logger
        self.drain = .milliseconds(settings.drainMillis)
        self.desk.open(
            DeliveryDesk.Runner(
                check: { text, stream throws(WeirError) in try DeliveryHost.check(text, stream) },
                // Until `run` ends.
                changed: { self.state.withLock { $0.host }?.changed() }))
    }

    /// Until it is stopped, and open files are finished.
    func run() async {
        defer { self.ending.continuation.finish() }
        var pause: UInt64 = 1
        while !self.isStopped, !Task.isCancelled {
            do {
                try await WeirClient.withClient(self.client) { client in
                    let host = DeliveryHost(client, below: self.root, worker: self.worker, self.outputs)
                    self.state.withLock { $0.host = host }
                    if !self.isStopped { await host.run() }
                }
                break
            } catch {
                // All places for connections may be taken for a while.
                self.logger.error(
                    "no deliveries are run; it is tried again", metadata: ["reason": "\(error)"])
                try? await SystemClock().pause(seconds: pause) { self.isStopped }
                pause = min(pause * 2, 30)
            }
        }
        self.desk.close()
    }

    private var isStopped: Bool { self.state.withLock { $0.isStopped } }

    private func worker(_ application: ApplicationName) -> WorkerConfiguration {
        var logger = self.logger
        logger[metadataKey: "delivery"] = "\(application)"
        logger.logLevel = max(logger.logLevel, .warning)
        return WorkerConfiguration(application: application, drainTimeout: self.drain, logger: logger)
    }

    private var outputs: DeliveryHost.Outputs {
        let (desk, logger) = (self.desk, self.logger)
        return DeliveryHost.Outputs(
            found: { desk.found(Set($0.map { DeliveryDesk.Key(stream: $0.stream, application: $0.application) })) },
            shows: { desk.show(DeliveryDesk.Key(stream: $0.stream, application: $0.application), $1) },
            tells: { logger.notice("delivery \($0) \($1)") })
    }

    /// Asks it to end.
    func stop() {
        self.state.withLock { state in
            state.isStopped = true
            return state.host
        }?.stop()
    }

    /// When it has ended, or has been given so long.
    func ended(within patience: Duration) async {
        let clock = SystemClock()
        let deadline = clock.monotonicNanos + UInt64(clamping: patience.millis) * 1_000_000
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in self.ending.stream {} }
            group.addTask { try? await clock.sleep(until: deadline) }
            await group.next()
            group.cancelAll()
        }
    }
}
