// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

/// The place of a connection in its session.
struct Fencing {
    /// An older connection of the session is being fenced.
    var isAwaitingOlder = false
    /// Who waits for this one to be fenced.
    var onFenced: [@Sendable () -> Void] = []
}

/// Hello, and the fence between connections of one session.
extension Connection {
    /// Hello was accepted: an older connection of the session is fenced first.
    func greet(_ hello: Hello, _ answer: HelloAnswer, correlation: UInt64) {
        self.caller.identity.name = hello.clientName
        guard hello.sessionID != 0, let handle = self.loop.handle(of: self) else {
            return self.answerHello(answer, correlation)
        }
        let older: ConnectionHandle
        switch self.node.sessions.register(
            hello.sessionID, number: hello.connectionNumber, connection: self.id, handle)
        {
        case .isOutdated(let error): return self.close(error)
        case .first:
            self.caller.identity.session = hello.sessionID
            return self.answerHello(answer, correlation)
        case .fences(let holder):
            self.caller.identity.session = hello.sessionID
            older = holder
        }
        self.phase = .fencing(answer, correlation: correlation)
        self.fencing.isAwaitingOlder = true
        self.setReading(false)
        older.loop.run { loop in
            let done: @Sendable () -> Void = { handle.loop.run { $0.fenced(handle.id) } }
            if let connection = loop.connection(older.id) { connection.fence(done) } else { done() }
        }
    }

    /// A newer connection speaks for the session: nothing that has not been taken up is taken up any more.
    func fence(_ done: @escaping @Sendable () -> Void) {
        self.fencing.onFenced.append(done)
        self.close(
            WeirError(
                .sessionFenced, "a newer connection has taken over the session",
                verdict: .init(maybeStored: false, retry: .never)))
        // Its own predecessor may still be at work; then `olderIsFenced` goes on.
        if !self.fencing.isAwaitingOlder { self.fencedNow() }
    }

    /// The older connection of the session admits nothing any more.
    func olderIsFenced() {
        self.fencing.isAwaitingOlder = false
        self.fencedNow()
        switch self.phase {
        case .gone: self.leave()
        case .open, .closing: break
        case .fencing(let answer, let correlation):
            self.phase = .open
            self.answerHello(answer, correlation)
            self.receiveHeld()
            if self.isOpen { self.setReading(true) }
            self.flushNow()
        }
    }

    func fencedNow() {
        let waiting = self.fencing.onFenced
        self.fencing.onFenced = []
        for done in waiting { done() }
    }

    func answerHello(_ answer: HelloAnswer, _ correlation: UInt64) {
        self.log(.debug, "connection is open", reason: "client \(self.caller.identity.name)")
        self.answer(.none, answer.frame(.helloAnswer, correlation: correlation))
    }

    /// `isLast`: the client has ended its input behind it.
    func hold(_ buffer: ByteBuffer, isLast: Bool = false) {
        var buffer = buffer
        if self.heldInput == nil { self.heldInput = ByteBuffer() }
        self.heldInput?.writeBuffer(&buffer)
        if isLast { self.input.isLast = true }
    }

    /// Takes up what was held, and its end.
    func receiveHeld() {
        guard let held = self.heldInput else { return }
        let isLast = self.input.isLast
        self.heldInput = nil
        self.input.isLast = false
        if held.readableBytes > 0 { self.receive(held) }
        if isLast { self.inputEnded() }
    }

    func setReading(_ isOn: Bool) {
        guard let context else { return }
        // Only a channel that is closed refuses the option, and such a one reads nothing.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isOn)
    }
}
