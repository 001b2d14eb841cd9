// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirTestKit
import WeirTestNode

@testable import WeirClient

/// How long a client lives, and what it leaves behind.
@Suite(.timeLimit(.minutes(2)), .nodes) struct RunningTests {
    private let stream = StreamID(1)

    @Test func runningEndsWhenTheClientIsClosed() async throws {
        let node = try await InProcessNode.start()
        let client = try node.client()
        let running = Task { await client.run() }
        await eventually { client.isRun }
        await client.close()
        await running.value
        // So does one that begins too late.
        await client.run()
    }

    @Test func aRunThatIsCancelledStoresWhatProducersHoldAndCloses() async throws {
        let node = try await InProcessNode.start()
        try await node.makeStream("s", shards: 1)
        let client = try node.client()
        // It would wait for a minute for more.
        let producer = try await client.producer(try StreamName("s"), .init(linger: .seconds(60)))
        let put = Task { try await producer.put(key: "k", data: [1]) }
        await eventually { producer.core.state.withLock { $0.charged } > 0 || producer.core.holdsSomething }
        let running = Task { await client.run() }
        await eventually { client.isRun }
        running.cancel()
        await running.value
        _ = try await put.value
        #expect(try await node.texts(self.stream).values.reduce(0) { $0 + $1.count } == 1)
        await #expect(throws: WeirError.self) { _ = try await client.describeStream(try StreamName("s")) }
    }

    @Test func aDrainThatTakesTooLongIsCutOff() async throws {
        let node = try await InProcessNode.start()
        try await node.makeStream("s", shards: 1)
        node.script(.putRecords) { _ in .silence(carriedOut: true) }
        let clock = ManualClock()
        let client = try node.client(clock: clock) { $0.callTimeout = .seconds(5) }
        let producer = try await client.producer(try StreamName("s"), .init(linger: .zero, timeout: nil))
        let put = Task { try await producer.put(key: "k", data: [1]) }
        await clock.advance {
            node.putCount > 0
        } mayAdvance: {
            node.isQuiet
        }
        let drained = Mutex(false)
        let draining = Task {
            await client.drain()
            drained.withLock { $0 = true }
        }
        await clock.advance(stepMillis: 100) { drained.withLock { $0 } }
        await draining.value
        await #expect(throws: WeirError.self) { _ = try await put.value }
    }

    @Test func closingWaitsForWhatIsAtWork() async throws {
        // Connecting hangs until it is cancelled.
        let transport = HangingTransport()
        let client = try WeirClient(ClientConfiguration(), transport: transport)
        let asking = Task { try await client.describeStream(try StreamName("s")) }
        await eventually { transport.isConnecting.withLock { $0 } == 1 }
        await client.close()
        #expect(transport.isConnecting.withLock { $0 } == 0, "an attempt to connect has outlived its client")
        await #expect(throws: WeirError.self) { _ = try await asking.value }
    }
}

extension WeirClient {
    fileprivate var isRun: Bool { self.runCount > 0 }
}

extension ProducerCore {
    fileprivate var holdsSomething: Bool { self.staging.withLock { $0.chunk != nil } }
}

private final class HangingTransport: Transport {
    let isConnecting = Mutex(0)

    func connect(
        to receiver: any FrameReceiver, timeout: Duration
    ) async throws(WeirError) -> any FrameConnection {
        self.isConnecting.withLock { $0 += 1 }
        try? await Completion<Void>().wait()
        self.isConnecting.withLock { $0 -= 1 }
        throw WeirError(.unavailable, "cut off")
    }

    func shutdown() async {}
}
