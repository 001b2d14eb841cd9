// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension ClientMachine {
    package enum Received {
        /// HelloAnswer: give its payload to `helloAnswered`.
        case helloAnswer
        /// The payload is the answer to this request.
        case answer(Request)
        /// The payload is an `ErrorAnswer` to this request.
        case failure(Request)
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
        // First what comes most: the answer to a request.
        let slot = Self.slot(of: header.correlation)
        guard self.isOpen, header.flags == 0, header.correlation != 0, slot < self.slots.count,
            self.slots[slot].correlation == header.correlation
        else { return self.receivedOther(header) }
        let sent = self.slots[slot]
        let failed = header.rawType == FrameType.errorNumber
        guard failed || header.rawType == sent.answerNumber else {
            return self.violation("an answer of type \(header.rawType) to a request of type \(sent.type.rawValue)")
        }
        self.slots[slot].correlation = 0
        self.freeSlots.append(UInt16(slot))
        if sent.type == .putRecords { self.credit.release(sent.bytes) }
        let request = Request(type: sent.type, correlation: sent.correlation)
        return failed ? .failure(request) : .answer(request)
    }

    func receivedOther(_ header: FrameHeader) -> Received {
        guard let type = header.type, header.flags == 0 else {
            return self.violation("a frame of type \(header.rawType) with flags \(header.flags)")
        }
        switch (self.state, type) {
        case (.greeting, .helloAnswer) where header.correlation == self.helloCorrelation: return .helloAnswer
        case (.greeting, .error) where header.correlation == self.helloCorrelation: return .helloRefused
        // A server that has no place for a connection says so before it has read anything.
        case (.connecting, .closing), (.greeting, .closing): return .push(type)
        case (.open, _) where type.direction == .push: return .push(type)
        default:
            return self.violation(
                "a frame of type \(header.rawType) with correlation id \(header.correlation), which nothing asked for")
        }
    }

    func violation(_ what: String) -> Received {
        .violation(WeirError(.malformedRequest, "the server does not keep to the protocol: \(what)"))
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
        self.frameBytesMax = Int(answer.frameBytesMax)
        self.state = .open(answer)
        self.isOpen = true
        return answer
    }
}

// MARK: - The end

extension ClientMachine {
    /// A request that will not be answered any more.
    package struct Ended {
        package let request: Request
        package let error: WeirError
    }

    /// The connection is gone, for the reason that `Closing`, Hello's refusal or the network gave. What becomes of the
    /// outstanding requests, in the order in which they were sent: a put may have been stored, so its outcome is
    /// unknown; another request is `unavailable`, and its verdict says whether it may have changed something.
    package mutating func closed(_ reason: WeirError) -> [Ended] {
        self.state = .closed
        self.isOpen = false
        let outstanding = self.slots.filter { $0.correlation != 0 }.sorted { $0.correlation < $1.correlation }
        self.slots = Array(repeating: Outstanding(), count: self.slots.count)
        self.freeSlots = (0..<self.slots.count).reversed().map { UInt16($0) }
        return outstanding.map {
            Ended(
                request: Request(type: $0.type, correlation: $0.correlation), error: Self.error(for: $0.type, reason))
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
    /// Whether a request of this type changes streams, shards, records, leases or consumers when it is carried out. A
    /// heartbeat only says that its sender lives.
    package var changesSomething: Bool {
        switch self {
        case .createStream, .updateStream, .trimStream, .deleteStream, .splitShard, .mergeShards, .updateShardCount,
            .putRecords, .joinGroup, .checkpoint, .saveLeaseState, .handOver, .leaveGroup, .resetLeases,
            .deleteApplication, .registerConsumer, .deregisterConsumer:
            true
        default: false
        }
    }
}
