// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirModel
import WeirTestKit
import WeirTestNode

@testable import WeirClient

@Suite(.timeLimit(.minutes(2)), .nodes) struct ClientTests {
    @Test func streamsAreDescribedByNameAndById() async throws {
        let node = try await InProcessNode.start()
        let made = try await node.makeStream("orders", shards: 7)
        let client = try node.client()
        #expect(try await client.describeStream(try StreamName("orders")) == made)
        #expect(try await client.describeStream(made.id) == made)
        await #expect { _ = try await client.describeStream(try StreamName("none")) } throws: {
            ($0 as? WeirError)?.code == .streamNotFound
        }
        await client.close()
    }

    @Test func shardsComeTogetherFromManyPages() async throws {
        let node = try await InProcessNode.start()
        let made = try await node.makeStream("s", shards: 8)
        node.script(.listShards) { _ in .smallPages }
        let client = try node.client()
        #expect(try await client.listShards(made.id).map(\.number.rawValue) == Array(0..<8))
        let map = try await client.shardMap(made.id)
        #expect(map.shards.count == 8 && map.version == made.mapVersion)
        #expect(node.count(of: .listShards) == 6)
        await client.close()
    }

    @Test func aServerThatIsNotThereIsReportedAtOnce() async throws {
        let node = try await InProcessNode.start(clock: ManualClock())
        node.refuseConnections(.max)
        let client = try node.client()
        await #expect { _ = try await client.ping() } throws: { ($0 as? WeirError)?.code == .unavailable }
        node.refuseConnections(0)
        #expect(try await client.ping().serverTimeMillis == ManualClock.start)
        #expect(try await client.server().name == "a node in memory")
        await client.close()
        await #expect { _ = try await client.ping() } throws: { ($0 as? WeirError)?.code == .unavailable }
    }

    @Test func aLostConnectionIsMadeAnew() async throws {
        let node = try await InProcessNode.start()
        let client = try node.client()
        _ = try await client.ping()
        node.cutAll()
        for _ in 0..<3 { _ = try await client.ping() }
        #expect(node.count(of: .hello) == 2)
        await client.close()
    }

    @Test func aCallWithoutAnAnswerTimesOut() async throws {
        let clock = ManualClock()
        let node = try await InProcessNode.start()
        node.script { _, _ in .silence(carriedOut: false) }
        let client = try node.client(clock: clock) { $0.callTimeout = .seconds(10) }
        let isDone = Mutex(false)
        let ping = Task {
            defer { isDone.withLock { $0 = true } }
            return try await client.ping()
        }
        await clock.advance(stepMillis: 500) { isDone.withLock { $0 } }
        await #expect { _ = try await ping.value } throws: { ($0 as? WeirError)?.code == .timedOut }
        await client.close()
    }

    @Test func aCancelledCallEndsAtOnce() async throws {
        let node = try await InProcessNode.start()
        node.script { _, _ in .silence(carriedOut: false) }
        let client = try node.client(clock: ManualClock())
        let ping = Task { try await client.ping() }
        await eventually { node.count(of: .hello) == 1 }
        ping.cancel()
        await #expect(throws: CancellationError.self) { _ = try await ping.value }
        await client.close()
    }

    @Test func aConnectionOnWhichNothingIsHeardIsClosed() async throws {
        let node = try await InProcessNode.start()
        let clock = ManualClock()
        let client = try node.client(clock: clock) { $0.pingInterval = .seconds(1) }
        let connection = try await client.controlConnection()
        // Answered pings keep it.
        for _ in 0..<10 {
            clock.advance(millis: 600)
            await eventually { node.isQuiet }
        }
        #expect(connection.isOpen)
        node.script(.ping) { _ in .silence(carriedOut: false) }
        await clock.advance(stepMillis: 100) { !connection.isOpen }
        await client.close()
    }

    @Test func producersAreBoundedByTheConnections() async throws {
        let node = try await InProcessNode.start()
        let made = try await node.makeStream("s", shards: 1)
        let client = try node.client {
            $0.connectionsMax = 4
            $0.readerConnections = 1
        }
        let first = try await client.producer(made)
        let second = try await client.producer(made)
        await #expect { _ = try await client.producer(made) } throws: {
            ($0 as? WeirError)?.code == .limitExceeded
        }
        try await first.finish()
        let third = try await client.producer(made)
        try await second.finish()
        try await third.finish()
        await client.close()
    }

    @Test func configurationsOutsideTheirRangesAreRefused() {
        var configurations = [ClientConfiguration](repeating: ClientConfiguration(), count: 5)
        configurations[0].port = 0
        configurations[1].connectionsMax = 0
        configurations[2].readerConnections = 65
        configurations[3].callTimeout = .zero
        configurations[4].retry.firstPauseMillis = 0
        for configuration in configurations {
            #expect { try configuration.validate() } throws: { ($0 as? WeirError)?.code == .invalidArgument }
        }
        var producers = [ProducerConfiguration](repeating: ProducerConfiguration(), count: 6)
        producers[0].batchRecords = 501
        producers[1].batchBytes = 0
        producers[2].bufferBytes = 1
        producers[3].linger = .seconds(61)
        producers[4].timeout = .zero
        producers[5].requestsInFlight = 1025
        for configuration in producers {
            #expect { try configuration.validate() } throws: { ($0 as? WeirError)?.code == .invalidArgument }
        }
    }
}
