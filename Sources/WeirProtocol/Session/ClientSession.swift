// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The client's end of a connection as a machine: correlation ids, what is outstanding and what becomes of it, credit.
///
/// Decides only. `Context` is what the caller wants back with an answer, such as the place where somebody waits.
package struct ClientSession<Context: Sendable>: Sendable {
    package enum State: Hashable, Sendable {
        /// Goes to `greeting` or `closed`.
        case connecting
        /// Hello is sent. Goes to `open` or `closed`.
        case greeting
        /// Goes to `closed`.
        case open(HelloAnswer)
        case closed
    }

    /// A request that was sent and not answered.
    struct Outstanding: Sendable {
        let type: FrameType
        /// Of its payload.
        let bytes: Int
        let context: Context
    }

    package private(set) var state = State.connecting
    private let hello: Hello
    private let outstandingMax: Int
    private var outstanding: [UInt64: Outstanding] = [:]
    private var lastCorrelation: UInt64 = 0
    private var credit = PutCredit(bytesMax: 0, requestsMax: 0)

    /// At most `outstandingMax` requests are without an answer; more have to wait.
    package init(hello: Hello, outstandingMax: Int = 4096) {
        self.hello = hello
        self.outstandingMax = outstandingMax
    }

    package var outstandingCount: Int { self.outstanding.count }

    /// For `FrameScanner`, about what the server sends: as short as Hello until that is answered, then as long as any
    /// frame may be, for a batch is sent as it is stored.
    package var phase: FrameScanner.Phase {
        if case .open = self.state { return .open(frameBytesMax: Limits.frameBytesMax) }
        return .beforeHello
    }
}

// MARK: - Sending

extension ClientSession {
    private var helloCorrelation: UInt64 { 1 }

    /// The connection is there: the frame of Hello, to be sent before anything else; empty when that was done.
    package mutating func connected() -> [UInt8] {
        guard case .connecting = self.state else { return [] }
        self.state = .greeting
        self.lastCorrelation = self.helloCorrelation
        return self.hello.frame(correlation: self.helloCorrelation)
    }

    package enum Admission: Hashable, Sendable {
        /// Send it with this correlation id.
        case send(correlation: UInt64)
        /// Not now: Hello is not answered, the credit is used up, or too many requests are outstanding. Try again after
        /// the next answer.
        case wait
        /// Never on this connection.
        case refuse(WeirError)
    }

    /// May a put with a payload of `bytes` bytes be sent now?
    package func mayPut(_ bytes: Int) -> Bool {
        guard case .open(let answer) = self.state else { return false }
        return bytes <= Int(answer.frameBytesMax) && self.outstanding.count < self.outstandingMax
            && self.credit.allows(bytes)
    }

    /// Asks to send a request with a payload of `bytes` bytes, and when it may, counts it as sent.
    package mutating func request(_ type: FrameType, bytes: Int, context: Context) -> Admission {
        switch self.state {
        case .connecting, .greeting: return .wait
        case .closed: return .refuse(WeirError(.unavailable, "the connection is closed"))
        case .open(let answer):
            guard bytes <= Int(answer.frameBytesMax) else {
                return .refuse(
                    WeirError(
                        .frameTooLarge,
                        "a request of \(bytes) bytes; the server takes at most \(answer.frameBytesMax)"))
            }
            guard self.outstanding.count < self.outstandingMax else { return .wait }
            if type == .putRecords {
                guard self.credit.allows(bytes) else { return .wait }
                self.credit.take(bytes)
            }
            self.lastCorrelation += 1
            self.outstanding[self.lastCorrelation] = Outstanding(type: type, bytes: bytes, context: context)
            return .send(correlation: self.lastCorrelation)
        }
    }
}

// MARK: - Receiving

extension ClientSession {
    package enum Received {
        /// HelloAnswer: give its payload to `helloAnswered`.
        case helloAnswer
        /// The payload is the answer to the request of this type.
        case answer(FrameType, Context)
        /// The payload is an `ErrorAnswer` to the request of this type.
        case failure(FrameType, Context)
        /// The payload is an `ErrorAnswer` to Hello: give its error to `closed`.
        case helloRefused
        /// `recordsPush`, `subscriptionEnded`, or `closing`: for the last one give its error to `closed`.
        case push(FrameType)
        /// The server does not keep to the protocol: close, and give the error to `closed`.
        case violation(WeirError)
    }

    /// A whole frame has arrived: header and payload, not the header alone, or a put whose answer is cut off would
    /// count as answered.
    package mutating func received(_ header: FrameHeader) -> Received {
        guard let type = header.type, header.flags == 0, type.direction != .request else {
            return self.violation("a frame of type \(header.rawType) with flags \(header.flags)")
        }
        if type.direction == .push {
            guard case .open = self.state else {
                return type == .closing && self.state == .greeting
                    ? .push(type) : self.violation("a push before the answer to Hello")
            }
            return .push(type)
        }
        switch self.state {
        case .greeting where header.correlation == self.helloCorrelation && type == .helloAnswer: return .helloAnswer
        case .greeting where header.correlation == self.helloCorrelation && type == .error: return .helloRefused
        case .open: return self.answered(type, header.correlation)
        default: return self.violation("an answer of type \(header.rawType) that nothing was asked for")
        }
    }

    private mutating func answered(_ type: FrameType, _ correlation: UInt64) -> Received {
        guard let request = self.outstanding[correlation] else {
            return self.violation("an answer to request \(correlation), which is not outstanding")
        }
        guard type == .error || type == request.type.answer else {
            return self.violation("an answer of type \(type.rawValue) to a request of type \(request.type.rawValue)")
        }
        self.outstanding[correlation] = nil
        if request.type == .putRecords { self.credit.release(request.bytes) }
        return type == .error ? .failure(request.type, request.context) : .answer(request.type, request.context)
    }

    /// Takes the answer to Hello; from then on requests may be sent. Throws when there is no version in common or the
    /// form is wrong: close, and give the error to `closed`.
    package mutating func helloAnswered(payload: UnsafeRawBufferPointer) throws(WeirError) -> HelloAnswer {
        guard case .greeting = self.state else { throw WeirError(.malformedRequest, "Hello was answered twice") }
        let answer: HelloAnswer
        do {
            answer = try HelloAnswer(payload: payload)
        } catch {
            throw WeirError(.malformedRequest, "the server's answer to Hello: \(error.description)")
        }
        guard answer.version >= self.hello.minVersion, answer.version <= self.hello.maxVersion else {
            throw WeirError(
                .unsupportedVersion,
                "the server chose version \(answer.version), this client speaks \(self.hello.minVersion) to "
                    + "\(self.hello.maxVersion)")
        }
        self.credit = PutCredit(
            bytesMax: Int(answer.putCreditBytes), requestsMax: Int(answer.putCreditRequests))
        self.state = .open(answer)
        return answer
    }

    private func violation(_ what: String) -> Received {
        .violation(WeirError(.malformedRequest, "the server does not keep to the protocol: \(what)"))
    }
}

// MARK: - The end

extension ClientSession {
    /// A request that will not be answered any more.
    package struct Ended {
        package let type: FrameType
        package let context: Context
        package let error: WeirError
    }

    /// The connection is gone, for the reason that `Closing`, Hello's refusal or the network gave. What becomes of the
    /// outstanding requests, in the order in which they were sent: a put may have been stored, so its outcome is
    /// unknown; another request is `unavailable`, and its verdict says whether it may have changed something.
    package mutating func closed(_ reason: WeirError) -> [Ended] {
        self.state = .closed
        let outstanding = self.outstanding
        self.outstanding.removeAll()
        return outstanding.sorted { $0.key < $1.key }.map { _, request in
            Ended(type: request.type, context: request.context, error: Self.error(for: request.type, reason))
        }
    }

    private static func error(for type: FrameType, _ reason: WeirError) -> WeirError {
        let message = "the connection was closed before the answer: \(reason.message)"
        if type == .putRecords { return WeirError(.outcomeUnknown, message) }
        let verdict = WeirError.Verdict(
            maybeStored: type.changesSomething, retry: WeirError.Code.unavailable.usualVerdict.retry)
        return WeirError(.unavailable, message, verdict: verdict)
    }
}

extension FrameType {
    /// Whether a request of this type changes streams, shards or records when it is carried out.
    package var changesSomething: Bool {
        switch self {
        case .createStream, .updateStream, .trimStream, .deleteStream, .splitShard, .mergeShards, .updateShardCount,
            .putRecords:
            true
        default: false
        }
    }
}
