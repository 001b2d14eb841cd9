// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import WeirModel
import WeirProtocol

/// The end of a connection: with a reason, in time, or when the node goes down.
extension Connection {
    /// Says why and closes. What waits for the log is not answered any more.
    func close(_ error: WeirError) {
        guard self.isOpen, let context else { return }
        _ = self.session.close()
        self.phase = .closing
        self.log(.info, "closing a connection", reason: error.description)
        self.lane.counters.count(error: error.code)
        self.dropInput()
        self.endAllWaiting()
        self.setReading(true)
        self.closeDeadlineMillis = self.node.nowMillis + self.node.configuration.lingerMillis
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: Closing(error: error).frame()))).whenComplete {
            _ in
            // The other end is left to close, so that it reads the reason before the connection is gone.
            bound.value.context?.close(mode: .output, promise: nil)
        }
    }

    /// Closes without a word.
    func abandon() {
        self.dropInput()
        self.endAllWaiting()
        self.context?.close(promise: nil)
    }

    /// The node goes down: what is under way is finished, what comes is refused.
    func drain() {
        guard self.isOpen else { return }
        if self.session.drain() {
            self.close(Self.goingDown)
            return
        }
        self.endAllReading(Self.goingDown)
        self.closeWhenDrained()
    }

    static let goingDown = WeirError(.unavailable, "the server is going down")

    /// The client sends nothing more, and may still read: what it sent is answered. Whether it has gone altogether
    /// cannot be seen, so nothing waits for news any more, and the rest has a bound.
    func inputEnded() {
        guard self.isOpen else { return }
        guard case .open = self.phase, !self.input.isPaused, self.heldInput == nil else {
            return self.hold(ByteBuffer(), isLast: true)
        }
        if self.session.inputEnded() { return self.abandon() }
        self.closeDeadlineMillis = self.node.nowMillis + self.node.configuration.unreadTimeoutMillis
        self.noteCutOff()
        if let ending = self.session.ending { self.endAllReading(ending) }
        self.closeWhenDrained()
        self.loop.flush()
    }

    /// Closes when nothing is left to be answered and nothing may come any more.
    func closeWhenDrained() {
        guard self.session.ending != nil, self.isOpen else { return }
        guard self.output.pending.isEmpty, self.caller.readCount == 0, self.heartbeats.isEmpty, self.parked.isEmpty,
            self.caller.deferred == 0
        else { return }
        if case .finishing = self.session.state { self.leaveWhenRead() } else { self.close(Self.goingDown) }
    }

    /// Closes without a word when the client has taken what was written.
    private func leaveWhenRead() {
        guard self.session.close(), let context else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        // Behind all that was written.
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).whenComplete { _ in bound.value.abandon() }
    }

    /// Deadlines; called a few times a second.
    func tick(nowMillis now: Int64) {
        if case .closing = self.phase {
            if let deadline = self.closeDeadlineMillis, now >= deadline { self.context?.close(promise: nil) }
            return
        }
        guard self.isOpen else { return }
        if let deadline = self.closeDeadlineMillis, now >= deadline {
            return self.close(
                WeirError(
                    .timedOut,
                    "the client ended its input \(self.node.configuration.unreadTimeoutMillis) ms ago, and not all "
                        + "that came before is answered and read"))
        }
        if let error = self.session.deadlineReached(now: now) { return self.close(error) }
        if let since = self.output.unreadSinceMillis, now - since >= self.node.configuration.unreadTimeoutMillis {
            return self.close(
                WeirError(
                    .timedOut,
                    "the client has not read its answers for \(self.node.configuration.unreadTimeoutMillis) ms"))
        }
        if self.caller.holdings[.unread] > 0 || self.input.isPaused, let context { self.checkUnread(context) }
        // What waits for the memory of the node is not woken when others give theirs back.
        if self.hasParked { self.resumeSoon() }
        self.closeWhenDrained()
    }

    func log(_ level: Logger.Level, _ message: Logger.Message, reason: String) {
        self.node.logger.log(
            level: level, message, metadata: ["client": "\(self.peer)", "reason": "\(reason)"])
    }
}
