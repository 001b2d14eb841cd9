// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import WeirModel
import WeirProtocol

/// Connections to a node in the same process: frames go over as they are, nothing is copied.
package final class InProcessTransport: Transport {
    /// Somebody connects: answers with the end that hears what the client sends. `connection` is the way to the client.
    package typealias Acceptor = @Sendable (_ connection: any FrameConnection) throws(WeirError) -> any FrameReceiver

    private let accept: Acceptor

    package init(accept: @escaping Acceptor) {
        self.accept = accept
    }

    package func connect(
        to receiver: any FrameReceiver, timeout: Duration
    ) async throws(WeirError) -> any FrameConnection {
        let (near, far) = (InProcessConnection(), InProcessConnection())
        let server = try self.accept(far)
        near.join(peer: far, far: server)
        far.join(peer: near, far: receiver)
        return near
    }

    package func shutdown() async {}
}

/// One direction: what is sent on it is heard by `far`, in order, on a task of its own.
final class InProcessConnection: FrameConnection {
    private enum Event {
        case frame(ByteBuffer)
        case closed
    }

    private struct State {
        var far: (any FrameReceiver)?
        var peer: InProcessConnection?
        var events: [Event] = []
        var handingOver: Task<Void, Never>?
        var isClosed = false
    }

    private let state = Mutex(State())

    func join(peer: InProcessConnection, far: any FrameReceiver) {
        self.state.withLock {
            $0.peer = peer
            $0.far = far
        }
        self.run()
    }

    func send(_ frame: ByteBuffer) {
        self.state.withLock { if !$0.isClosed { $0.events.append(.frame(frame)) } }
        self.run()
    }

    /// Both ends hear of it.
    func close() {
        self.state.withLock { $0.peer }?.end()
        self.end()
    }

    private func end() {
        self.state.withLock { state in
            guard !state.isClosed else { return }
            state.isClosed = true
            state.events.append(.closed)
        }
        self.run()
    }

    /// Hands over what waits, unless that is being done.
    private func run() {
        self.state.withLock { state in
            guard state.far != nil, state.handingOver == nil, !state.events.isEmpty else { return }
            // Whoever sends must not hear the answer on its own stack. It ends when nothing waits.
            state.handingOver = Task { self.handOver() }
        }
    }

    private func handOver() {
        while true {
            let (far, events) = self.state.withLock { state in
                defer { state.events.removeAll() }
                if state.events.isEmpty { state.handingOver = nil }
                return (state.far, state.events)
            }
            guard let far, !events.isEmpty else { return }
            for event in events {
                switch event {
                case .frame(let frame):
                    guard let header = frame.withUnsafeReadableBytes({ try? FrameHeader(reading: $0) }) else {
                        continue
                    }
                    far.received(header, frame, isOwned: true)
                case .closed:
                    far.closed(WeirError(.unavailable, "the connection was closed"))
                    // Break the circle between the two directions.
                    self.state.withLock {
                        $0.far = nil
                        $0.peer = nil
                    }
                }
            }
        }
    }
}
