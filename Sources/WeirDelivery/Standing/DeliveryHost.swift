// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirConsumer
import WeirIO
import WeirModel

/// Runs the deliveries that a server is asked for, below one folder, until it is stopped.
///
/// What is asked for stands in the server's catalog; the host asks for it when it begins, when it is told that
/// something changed, and now and then.
package final class DeliveryHost: Sendable {
    /// What the host does with what it learns.
    package struct Outputs: Sendable {
        /// All that are asked for.
        let found: @Sendable ([DeliveryStream]) -> Void
        /// A JSON object of at most `Limits.deliveryStatusBytesMax` on how a delivery goes.
        let shows: @Sendable (DeliveryStream, String) -> Void
        /// For the log of the server; `which`: the delivery that it is about.
        let tells: @Sendable (_ which: String, _ what: String) -> Void

        package init(
            found: @escaping @Sendable ([DeliveryStream]) -> Void,
            shows: @escaping @Sendable (DeliveryStream, String) -> Void,
            tells: @escaping @Sendable (String, String) -> Void
        ) {
            self.found = found
            self.shows = shows
            self.tells = tells
        }
    }

    private enum Event: Sendable {
        case changed
        case ended(StandingDelivery)
        case stopped
    }

    private struct Key: Hashable {
        let stream: StreamID
        let application: ApplicationName
    }

    private let client: WeirClient
    private let root: String
    private let worker: @Sendable (ApplicationName) -> WorkerConfiguration
    private let outputs: Outputs
    private let clock: any Clock
    private let events: AsyncStream<Event>
    private let continuation: AsyncStream<Event>.Continuation
    /// Whether `changed` stands among the events: once is enough, however often it is called.
    private let isChangeTold = Atomic<Bool>(false)

    /// `root`: the folder below which files go. `worker`: what a delivery's worker is like, beside where it begins.
    package init(
        _ client: WeirClient, below root: String,
        worker: @escaping @Sendable (ApplicationName) -> WorkerConfiguration = { WorkerConfiguration(application: $0) },
        clock: any Clock = SystemClock(), _ outputs: Outputs
    ) {
        self.client = client
        self.root = root
        self.worker = worker
        self.clock = clock
        self.outputs = outputs
        (self.events, self.continuation) = AsyncStream.makeStream()
    }

    /// Throws `invalidArgument` with what is wrong in a configuration.
    package static func check(_ text: String, _ stream: StreamName) throws(WeirError) {
        let configuration = try DeliveryConfiguration(parsing: text)
        try configuration.check(stream)
        _ = try configuration.place(below: "")
    }

    /// Something was asked for. May be called from everywhere; does not block.
    package func changed() {
        guard !self.isChangeTold.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.continuation.yield(.changed)
    }

    /// Asks it to end: open files are finished.
    package func stop() { self.continuation.yield(.stopped) }

    /// How long a list of what is asked for is believed, in nanoseconds.
    private static let lookNanos: UInt64 = 60_000_000_000
    private static let showNanos: UInt64 = 1_000_000_000

    /// Until it is stopped and all deliveries have ended.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.every(Self.lookNanos) { self.changed() } }
            defer { group.cancelAll() }
            var running: [Key: StandingDelivery] = [:]
            var isStopping = false
            for await event in self.events {
                switch event {
                case .stopped: isStopping = true
                case .ended(let delivery):
                    let key = Key(stream: delivery.asked.stream, application: delivery.asked.application)
                    if running[key] === delivery { running[key] = nil }
                case .changed: self.isChangeTold.store(false, ordering: .releasing)
                }
                if isStopping {
                    for delivery in running.values { delivery.stop() }
                    if running.isEmpty { return }
                    continue
                }
                guard let asked = await self.look() else {
                    // Whatever was asked for is still to be found: a busy server says it the next time.
                    group.addTask {
                        try? await self.clock.sleep(until: self.clock.monotonicNanos + Self.showNanos)
                        self.changed()
                    }
                    continue
                }
                for delivery in self.reconcile(asked, &running) {
                    group.addTask {
                        await self.run(delivery)
                        self.continuation.yield(.ended(delivery))
                    }
                }
            }
        }
    }

    /// `nil`: the server does not say.
    private func look() async -> [DeliveryStream]? {
        guard let asked = try? await self.client.deliveries() else { return nil }
        self.outputs.found(asked)
        return asked
    }

    /// Stops those that nobody asks for, or for something else, and gives those that are to begin. One that was changed
    /// begins when it has ended.
    private func reconcile(
        _ asked: [DeliveryStream], _ running: inout [Key: StandingDelivery]
    ) -> [StandingDelivery] {
        var wanted: [Key: DeliveryStream] = [:]
        for one in asked { wanted[Key(stream: one.stream, application: one.application)] = one }
        for (key, delivery) in running where wanted[key]?.configuration != delivery.asked.configuration {
            delivery.stop()
        }
        var begun: [StandingDelivery] = []
        for (key, one) in wanted where running[key] == nil {
            let delivery = StandingDelivery(one)
            running[key] = delivery
            begun.append(delivery)
        }
        return begun
    }

    // MARK: One delivery

    private func run(_ standing: StandingDelivery) async {
        async let _: Void = self.every(Self.showNanos) {
            self.outputs.shows(standing.asked, standing.status(Limits.deliveryStatusBytesMax))
        }
        var pause: UInt64 = 1
        while !standing.isStopped {
            do {
                try await self.deliver(standing)
                // It was stopped.
                break
            } catch let error as WeirError where error.code == .streamDeleted || error.code == .streamNotFound {
                break
            } catch {
                if standing.fails("\(error)") { self.tell(standing, "waits: \(error)") }
                await self.wait(&pause, standing)
            }
        }
        self.tell(standing, "ended")
    }

    /// Now, and then as often, until it is cancelled.
    private func every(_ nanos: UInt64, _ body: @Sendable () -> Void) async {
        repeat {
            body()
        } while (try? await self.clock.sleep(until: self.clock.monotonicNanos + nanos)) != nil
    }

    private func deliver(_ standing: StandingDelivery) async throws {
        let asked = standing.asked
        let configuration = try DeliveryConfiguration(parsing: asked.configuration)
        let stream = try await self.client.describeStream(asked.stream)
        var settings = try configuration.settings(stream, asked.application)
        var since: (millis: Int64, isNew: Bool)?
        if configuration.hasManifests {
            since = try await Delivery.manifestsSince(
                self.client, stream.id, asked.application, begins: configuration.from)
        }
        let claim = FolderClaim.application(asked.application, manifests: since?.millis)
        let isNew = since?.isNew ?? false
        let path = try configuration.place(below: self.root)
        let (folder, claimed) = try await FileThread.once { () throws(DestinationError) in
            try FolderDestination.make("\(configuration.to)/", below: self.root)
            let folder = try FolderDestination(path)
            return (folder, try folder.claim(stream.name, claim, begins: isNew))
        }
        if case .application(_, let since) = claimed { settings.manifestsSince = since }
        var worker = self.worker(asked.application)
        worker.initialPosition = configuration.from
        let delivery = Delivery(
            self.client, settings, worker, into: folder,
            told: Delivery.Told(
                waiting: { self.tell(standing, $0.map { "waits: \($0)" } ?? "goes on") },
                again: { self.tell(standing, "reads all shards again from their checkpoints: \($0)") }))
        guard standing.begins(delivery) else { return }
        self.tell(standing, "delivers into \(path)")
        try await delivery.run(stream.id)
    }

    private func tell(_ standing: StandingDelivery, _ what: String) {
        self.outputs.tells("\(standing.asked.application) of \(standing.asked.streamName)", what)
    }

    /// So long, or until it is stopped.
    private func wait(_ seconds: inout UInt64, _ standing: StandingDelivery) async {
        // Cancelled, it ends as when it is stopped.
        try? await self.clock.pause(seconds: seconds) { standing.isStopped }
        seconds = min(seconds * 2, 30)
    }
}

/// A delivery that a server was asked for, while its host runs it.
private final class StandingDelivery: Sendable {
    let asked: DeliveryStream

    private struct State {
        var delivery: Delivery?
        /// Why it is not at work.
        var problem: String?
        var isStopped = false
    }

    private let state = Mutex(State())

    init(_ asked: DeliveryStream) {
        self.asked = asked
    }

    var isStopped: Bool { self.state.withLock { $0.isStopped } }

    func stop() {
        let delivery = self.state.withLock { state in
            state.isStopped = true
            return state.delivery
        }
        delivery?.stop()
    }

    /// False when it was stopped meanwhile.
    func begins(_ delivery: Delivery) -> Bool {
        self.state.withLock { state in
            state.delivery = delivery
            state.problem = nil
            return !state.isStopped
        }
    }

    /// Whether that is news.
    func fails(_ problem: String) -> Bool {
        self.state.withLock { state in
            defer { state.problem = problem }
            return state.problem != problem
        }
    }

    func status(_ bytesMax: Int) -> String {
        let (delivery, problem) = self.state.withLock { ($0.delivery, $0.problem) }
        return (delivery?.status ?? DeliveryStatus()).text(bytesMax: bytesMax, because: problem)
    }
}
