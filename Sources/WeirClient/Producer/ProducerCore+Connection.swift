// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// The end of one connection at which a producer listens; an older one is not heard any more.
final class ProducerLink: PutSink {
    private let generation: Int
    private let core: ProducerCore

    init(_ core: ProducerCore, generation: Int) {
        self.core = core
        self.generation = generation
    }

    func putAnswered(_ sequence: UInt64, _ payload: ByteBuffer) {
        self.core.heard(self.generation) { state, now in
            let isUnderstood = payload.withUnsafeReadableBytes { raw -> Bool in
                guard let answer = try? PutRecordsAnswerView(payload: raw) else { return false }
                return state.machine.answered(sequence, answer, now: now)
            }
            guard !isUnderstood else { return nil }
            return WeirError(.malformedRequest, "the server does not keep to the protocol: the answer to a put")
        }
    }

    func putRefused(_ sequence: UInt64, _ error: WeirError) {
        self.core.heard(self.generation) { state, now in
            state.machine.refused(sequence, error, now: now)
            return nil
        }
    }

    func connectionClosed(_ error: WeirError) {
        self.core.heard(self.generation) { state, now in
            state.connection = nil
            state.link = nil
            if ProducerCore.isFinal(error) {
                state.machine.connectionRefused(error, now: now)
            } else {
                state.machine.connectionLost(error, now: now)
            }
            return nil
        }
    }
}

extension ProducerCore {
    /// Something came over the connection of that generation. `change` returns why the connection is to be closed.
    func heard(_ generation: Int, _ change: (inout State, UInt64) -> WeirError?) {
        var violated: (ClientConnection?, WeirError)?
        self.update { state, now in
            guard state.generation == generation else { return }
            if let error = change(&state, now) { violated = (state.connection, error) }
        }
        if let (connection, error) = violated { connection?.close(error) }
    }

    /// Whether connecting again is of no use.
    static func isFinal(_ error: WeirError) -> Bool {
        switch error.code {
        case .unsupportedVersion, .notAuthorized, .sessionFenced: true
        default: false
        }
    }

    /// Connects, again and again if need be, until there is a connection or nothing to connect for. The machine says
    /// when, as it knows what the connections before were good for.
    func connect(_ generation: Int) {
        // Belongs to the producer, not to whoever happened to need a connection; `cancel` ends it.
        let task = Task { await self.connectLoop(generation) }
        self.state.withLock { $0.atWork.connecting = task }
    }

    private func connectLoop(_ generation: Int) async {
        while !Task.isCancelled {
            let dice = self.client.dice()
            let (at, isWanted) = self.state.withLock { state in
                (state.machine.connectAt(dice: dice), state.machine.wantsConnection)
            }
            guard isWanted else { break }
            if at > self.now, (try? await self.client.clock.sleep(until: at)) == nil { break }
            do {
                let link = ProducerLink(self, generation: generation)
                // The server may read the Hello of an attempt that was given up after that of a later one.
                let now = self.now
                let number = self.state.withLock { state in
                    state.machine.connecting(now: now)
                    state.connectionNumber += 1
                    return state.connectionNumber
                }
                let settings = try WeirClient.settings(
                    self.client.configuration, clock: self.client.clock, sessionID: self.sessionID,
                    connectionNumber: number, putSink: link, watch: self.client.watch)
                let connection = try await ClientConnection.open(self.client.transport, settings)
                self.connected(connection, link, generation)
                return
            } catch let error as WeirError where Self.isFinal(error) {
                self.update { state, now in
                    state.isConnecting = false
                    state.machine.connectionRefused(error, now: now)
                }
                return
            } catch {
                self.client.configuration.logger?.info("cannot connect: \(error)")
                let reason = error as? WeirError ?? WeirError(.unavailable, "connecting was cancelled")
                self.state.withLock { $0.machine.connectFailed(reason) }
            }
        }
        self.update { state, _ in state.isConnecting = false }
    }

    private func connected(_ connection: ClientConnection, _ link: ProducerLink, _ generation: Int) {
        guard let answer = connection.helloAnswer else {
            // It has ended already, and has said so while nobody listened.
            return self.update { state, _ in state.isConnecting = false }
        }
        var isWanted = false
        self.update { state, now in
            state.isConnecting = false
            guard state.machine.wantsConnection else { return }
            isWanted = true
            state.connection = connection
            state.link = link
            state.machine.connected(frameBytesMax: Int(answer.frameBytesMax), now: now)
        }
        if !isWanted { return connection.close() }
        // Its end may have come between the answer to Hello and now.
        if !connection.isOpen {
            link.connectionClosed(connection.endReason ?? WeirError(.unavailable, "the connection was closed"))
        }
    }

    /// Lists the shards over the producer's own connection.
    func fetchMap(over connection: ClientConnection) {
        // Ends with the call's deadline, with the connection, or with the producer, whichever is first.
        let task = Task {
            do {
                let deadline = self.client.deadline(nil)
                let listing = try await ShardListing.fetch(self.stream.id, .atLatest) { request in
                    try await connection.call(request, deadline: deadline)
                }
                let map: ShardMap
                do throws(WeirError) {
                    map = try listing.map(of: self.stream.id)
                } catch {
                    throw connection.violated(error.message)
                }
                self.update { state, now in
                    if state.connection === connection { state.machine.mapFetched(map, now: now) }
                }
            } catch {
                let reason = error as? WeirError ?? WeirError(.unavailable, "listing the shards was cancelled")
                let isAnswer = reason.code != .timedOut && connection.isOpen
                self.update { state, now in
                    guard state.connection === connection else { return }
                    state.machine.mapFailed(reason, isAnswer: isAnswer, now: now)
                }
            }
        }
        self.state.withLock { $0.atWork.listing = task }
    }
}
