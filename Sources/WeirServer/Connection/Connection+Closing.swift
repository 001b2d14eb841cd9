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

    func closeWhenDrained() {
        guard case .draining = self.session.state, self.isOpen else { return }
        guard self.output.pending.isEmpty, self.caller.readCount == 0, self.heartbeats.isEmpty, self.parked.isEmpty,
            self.caller.deferred == 0
        else { return }
        self.close(Self.goingDown)
    }

    /// Deadlines; called a few times a second.
    func tick(nowMillis now: Int64) {
        if case .closing = self.phase {
            if let deadline = self.closeDeadlineMillis, now >= deadline { self.context?.close(promise: nil) }
            return
        }
        guard self.isOpen else { return }
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
