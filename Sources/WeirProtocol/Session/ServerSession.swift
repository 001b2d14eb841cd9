// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The server's end of a connection as a machine: what may come now, what it costs, when to give up.
///
/// Decides only; whoever runs it reads, writes and closes. `now` is in milliseconds of a clock that never goes back.
/// An error that leaves the bytes readable is answered and the connection lives on; one after which frames cannot be
/// told apart any more ends it.
package struct ServerSession: Sendable {
    package struct Configuration: Hashable, Sendable {
        /// Name and version for HelloAnswer.
        package var serverName: String
        package var nodeID: UInt64
        package var putCreditBytes: Int
        package var putCreditRequests: Int
        /// 4 KiB to 16 MiB.
        package var frameBytesMax: Int
        package var helloTimeoutMillis: Int64
        package var stallTimeoutMillis: Int64

        package init(
            serverName: String, nodeID: UInt64, putCreditBytes: Int = 32 << 20, putCreditRequests: Int = 1024,
            frameBytesMax: Int = Limits.frameBytesMax, helloTimeoutMillis: Int64 = 10_000,
            stallTimeoutMillis: Int64 = 30_000
        ) {
            self.serverName = serverName
            self.nodeID = nodeID
            self.putCreditBytes = min(max(1, putCreditBytes), Int(UInt32.max))
            self.putCreditRequests = min(max(1, putCreditRequests), Int(UInt32.max))
            self.frameBytesMax = min(max(Limits.helloFrameBytesMax, frameBytesMax), Limits.frameBytesMax)
            self.helloTimeoutMillis = helloTimeoutMillis
            self.stallTimeoutMillis = stallTimeoutMillis
        }
    }

    package enum State: Hashable, Sendable {
        /// Until Hello. Goes to `open` or `closing`.
        case awaitingHello
        /// Goes to `draining`, `finishing` or `closing`.
        case open(sessionID: UInt64)
        /// The node goes down: what was taken is answered, what comes is refused. Goes to `closing`.
        case draining(sessionID: UInt64)
        /// The client has ended its input, and all of it was taken: it is answered. Goes to `closing`.
        case finishing(sessionID: UInt64)
        /// Nothing is taken any more; answers that are under way may still be written. The end.
        case closing
    }

    package private(set) var state = State.awaitingHello
    /// Those that both ends have; none before Hello.
    package private(set) var features: UInt64 = 0
    package private(set) var credit: PutCredit
    private let configuration: Configuration
    private let helloDeadline: Int64
    /// Of a frame that has begun and is incomplete.
    private var frame: FramePatience?

    /// The connection was accepted at `now`.
    package init(_ configuration: Configuration, now: Int64) {
        self.configuration = configuration
        self.credit = PutCredit(
            bytesMax: configuration.putCreditBytes, requestsMax: configuration.putCreditRequests)
        self.helloDeadline = now + configuration.helloTimeoutMillis
    }

    /// For `FrameScanner`.
    package var phase: FrameScanner.Phase {
        self.state == .awaitingHello ? .beforeHello : .open(frameBytesMax: self.configuration.frameBytesMax)
    }
}

// MARK: - Frames

extension ServerSession {
    package enum HeaderVerdict: Hashable, Sendable {
        /// Read the payload and handle it. For a put, credit has been taken. A `credit` that turns out malformed cannot
        /// be answered: `close`.
        case take(FrameType)
        /// Skip the payload and answer with this error.
        case refuse(WeirError)
        /// As `refuse`, for a put: tell `OrderedPuts` that one was skipped.
        case refusePut(WeirError)
        /// Skip the payload, say nothing: the connection is closing.
        case ignore
        /// Send `Closing` with this error and close. The state is `closing`.
        case close(WeirError)
    }

    /// A frame's header has arrived; called once for each, before its payload is waited for, so that the memory for it
    /// can be reserved or refused.
    package mutating func headerReceived(_ header: FrameHeader) -> HeaderVerdict {
        switch self.state {
        case .finishing, .closing: return .ignore
        case .awaitingHello:
            if let error = FrameScanner.refusal(of: header, self.phase) { return self.closing(error) }
            guard header.type == .hello else {
                return self.closing(
                    WeirError(
                        .malformedRequest,
                        "the first frame is of type \(header.rawType); a connection begins with Hello"))
            }
            return header.flags == 0 ? .take(.hello) : self.closing(Self.unknownFlags(header))
        case .open, .draining:
            if let error = FrameScanner.refusal(of: header, self.phase) { return self.closing(error) }
            return self.requestReceived(header)
        }
    }

    private mutating func requestReceived(_ header: FrameHeader) -> HeaderVerdict {
        guard let type = header.type, type.direction == .request else {
            return .refuse(
                WeirError(.malformedRequest, "type \(header.rawType) is not a request that this version knows"))
        }
        guard header.flags == 0 else {
            let error = Self.unknownFlags(header)
            switch type {
            case .putRecords: return .refusePut(error)
            case .credit: return self.closing(error)
            default: return .refuse(error)
            }
        }
        if let error = type.refusal(ofBytes: header.length) {
            return type == .credit ? self.closing(error) : .refuse(error)
        }
        switch type {
        case .hello: return .refuse(WeirError(.malformedRequest, "Hello comes once, as the first frame"))
        case .ping, .credit, .unsubscribe: return .take(type)
        case .putRecords where self.isDraining: return .refusePut(Self.goingDown)
        case _ where self.isDraining: return .refuse(Self.goingDown)
        case .putRecords:
            guard self.credit.allows(header.length) else {
                return .refusePut(
                    WeirError(
                        .creditExceeded,
                        "a put of \(header.length) bytes with \(self.credit.requests) puts and \(self.credit.bytes) "
                            + "bytes under way; \(self.credit.requestsMax) puts and \(self.credit.bytesMax) bytes may "
                            + "be without an answer"))
            }
            self.credit.take(header.length)
            return .take(.putRecords)
        default: return .take(type)
        }
    }

    private var isDraining: Bool {
        if case .draining = self.state { return true }
        return false
    }

    private static let goingDown = WeirError(.unavailable, "the server is going down")

    /// A put that was taken is answered, or was given up, as when there is no memory for it: then `OrderedPuts` is told
    /// that one was skipped. `bytes` is the length in its header.
    package mutating func putFinished(bytes: Int) {
        self.credit.release(bytes)
    }

    private static func unknownFlags(_ header: FrameHeader) -> WeirError {
        WeirError(.unsupportedVersion, "a frame with flags \(header.flags); version \(Wire.version) knows none")
    }
}

// MARK: - Hello

extension ServerSession {
    package enum HelloVerdict: Hashable, Sendable {
        /// Send the answer. When Hello names a session, fence its older connection before anything of this one is
        /// admitted.
        case accept(Hello, HelloAnswer)
        case close(WeirError)
    }

    /// The payload of Hello has arrived. `serverTimeMillis` is the time of day, since 1970.
    package mutating func helloReceived(
        payload: UnsafeRawBufferPointer, serverTimeMillis: Int64
    ) -> HelloVerdict {
        guard self.state == .awaitingHello else {
            let error = WeirError(.malformedRequest, "Hello comes once, as the first frame")
            self.state = .closing
            return .close(error)
        }
        do {
            let hello = try Hello(request: payload)
            let answer = try self.answer(to: hello, serverTimeMillis: serverTimeMillis)
            self.state = .open(sessionID: hello.sessionID)
            self.features = answer.features
            return .accept(hello, answer)
        } catch {
            self.state = .closing
            return .close(error)
        }
    }

    private func answer(to hello: Hello, serverTimeMillis: Int64) throws(WeirError) -> HelloAnswer {
        guard (hello.minVersion...hello.maxVersion).contains(Wire.version) else {
            throw WeirError(
                .unsupportedVersion,
                "the client speaks versions \(hello.minVersion) to \(hello.maxVersion) of the protocol, "
                    + "this server \(Wire.version)")
        }
        return HelloAnswer(
            version: Wire.version, features: hello.features & Wire.features, nodeID: self.configuration.nodeID,
            putCreditBytes: UInt32(self.configuration.putCreditBytes),
            putCreditRequests: UInt32(self.configuration.putCreditRequests),
            frameBytesMax: UInt32(self.configuration.frameBytesMax), serverTimeMillis: serverTimeMillis,
            serverName: self.configuration.serverName)
    }
}

// MARK: - Deadlines and the end

extension ServerSession {
    /// `count` bytes have been taken. `arrived`: of a frame that has begun and is still incomplete behind them, header
    /// and payload. `nil` when there is none, and when the server itself stops reading, so that it does not blame the
    /// client.
    package mutating func bytesReceived(_ count: Int, ofFrame arrived: Int?, now: Int64) {
        guard let arrived else {
            self.frame = nil
            return
        }
        // Another frame than before, if all of it is among the bytes that have just come.
        if self.frame == nil || arrived <= count { self.frame = FramePatience(arrived: arrived, now: now) }
        self.frame?.received(arrived, now: now)
    }

    private var frameDeadline: Int64? {
        self.frame?.deadline(stallMillis: self.configuration.stallTimeoutMillis)
    }

    /// When `deadlineReached` wants to be called, if nothing happens before.
    package var nextDeadline: Int64? {
        switch self.state {
        case .awaitingHello: min(self.helloDeadline, self.frameDeadline ?? .max)
        case .open, .draining: self.frameDeadline
        // The rest of a frame will never come.
        case .finishing, .closing: nil
        }
    }

    /// Why to send `Closing` and close, when it is time. The state is then `closing`.
    package mutating func deadlineReached(now: Int64) -> WeirError? {
        guard let deadline = self.nextDeadline, now >= deadline else { return nil }
        let verdict = WeirError.Verdict(maybeStored: false, retry: .after(millis: 100))
        let message =
            self.state == .awaitingHello
            ? "no Hello within \(self.configuration.helloTimeoutMillis) ms"
            : self.frame?.sentence(stallMillis: self.configuration.stallTimeoutMillis, now: now) ?? ""
        self.state = .closing
        return WeirError(.timedOut, message, verdict: verdict)
    }

    /// The node begins to go down. True when there is nothing to wait for: `Closing` is to be sent at once, and the
    /// state is `closing`. Otherwise `close` follows when everything that was taken is answered.
    package mutating func drain() -> Bool {
        switch self.state {
        case .awaitingHello:
            self.state = .closing
            return true
        case .open(let sessionID):
            self.state = .draining(sessionID: sessionID)
            return false
        case .draining, .finishing, .closing: return false
        }
    }

    /// The client has ended its input, all of which was taken. It may still read, or be gone: nobody can tell. True
    /// when there is nothing to wait for, and the state is `closing`. Otherwise the connection ends when everything
    /// that came is answered.
    package mutating func inputEnded() -> Bool {
        switch self.state {
        case .awaitingHello:
            self.state = .closing
            return true
        case .open(let sessionID):
            self.state = .finishing(sessionID: sessionID)
            return false
        case .draining, .finishing, .closing: return false
        }
    }

    /// Why nothing may wait for news any more; `nil` while it may.
    package var ending: WeirError? {
        switch self.state {
        case .awaitingHello, .open, .closing: nil
        case .draining: Self.goingDown
        case .finishing: WeirError(.unavailable, "the client has ended its input: nothing is waited for behind it")
        }
    }

    /// The server closes: a newer connection of the session (`sessionFenced`), the node goes down (`unavailable`),
    /// the client does not read. True when `Closing` is to be sent, false when that was done before.
    package mutating func close() -> Bool {
        defer { self.state = .closing }
        return self.state != .closing
    }

    private mutating func closing(_ error: WeirError) -> HeaderVerdict {
        self.state = .closing
        return .close(error)
    }
}
