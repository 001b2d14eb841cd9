// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization

/// Places for open sockets: each is counted before it is accepted, and until it is closed, so that there are never more
/// than the process has files for. Clients for whom there is none wait in the system's queue.
final class Places: Sendable {
    private struct State {
        var free: Int
        var waiting: [@Sendable () -> Void] = []
    }

    private let state: Mutex<State>

    init(_ count: Int) { self.state = Mutex(State(free: count)) }

    var free: Int { self.state.withLock { $0.free } }

    /// Takes a place. When there is none, `whenFree` is called once as soon as there is one, for another attempt.
    func take(_ whenFree: @escaping @Sendable () -> Void) -> Bool {
        self.state.withLock { state in
            guard state.free > 0 else {
                state.waiting.append(whenFree)
                return false
            }
            state.free -= 1
            return true
        }
    }

    func giveBack() {
        let waiting = self.state.withLock { state in
            state.free += 1
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        for body in waiting { body() }
    }
}

/// Stands first in a listening channel and accepts a connection only when there is a place for it. The channel must
/// accept one at a time.
final class PlaceKeeper: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = any Channel

    private enum State {
        case idle
        /// A place is taken for the next connection.
        case accepting
        /// There is none.
        case waiting
        case gone
    }

    private let places: Places
    private var state = State.idle

    init(_ places: Places) { self.places = places }

    func read(context: ChannelHandlerContext) {
        switch self.state {
        case .accepting: context.read()
        case .waiting, .gone: break
        case .idle:
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let eventLoop = context.eventLoop
            let hasPlace = self.places.take { eventLoop.execute { bound.value.0.tryAgain(bound.value.1) } }
            self.state = hasPlace ? .accepting : .waiting
            if hasPlace { context.read() }
        }
    }

    private func tryAgain(_ context: ChannelHandlerContext) {
        guard case .waiting = self.state else { return }
        self.state = .idle
        self.read(context: context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let places = self.places
        if case .accepting = self.state {
            self.state = .idle
            self.unwrapInboundIn(data).closeFuture.whenComplete { _ in places.giveBack() }
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.leave() }

    private func leave() {
        if case .accepting = self.state { self.places.giveBack() }
        self.state = .gone
    }
}
