// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The client's end of a connection as a machine: correlation ids, what is outstanding and what becomes of it, credit.
///
/// Decides only. A request is known by its slot, a small number that is free again once it is answered: what is wanted
/// back with the answer is kept in an array by slot, as `ClientSession` does. The correlation id holds the slot, so an
/// answer finds its request without a search.
package struct ClientMachine: Sendable {
    package enum State: Hashable, Sendable {
        /// Goes to `greeting` or `closed`.
        case connecting
        /// Hello is sent. Goes to `open` or `closed`.
        case greeting
        /// Goes to `closed`.
        case open(HelloAnswer)
        case closed
    }

    /// A request that was sent.
    package struct Request: Hashable, Sendable {
        package let type: FrameType
        /// Rises with every request: a count in the upper 48 bits, the slot in the lower 16.
        package let correlation: UInt64
        /// In `0..<slotCount`.
        package var slot: Int { ClientMachine.slot(of: self.correlation) }
    }

    package static func slot(of correlation: UInt64) -> Int { Int(correlation & 0xffff) }

    struct Outstanding: Sendable {
        /// 0 when the slot is free.
        var correlation: UInt64 = 0
        var type = FrameType.ping
        /// The type of its answer, as a number: compared with every answer that comes.
        var answerNumber: UInt16 = 0
        /// Of its payload.
        var bytes = 0
    }

    package internal(set) var state = State.connecting
    let hello: Hello
    var slots: [Outstanding]
    var freeSlots: [UInt16]
    /// Requests so far.
    var requests: UInt64 = 0
    // What `state` says, ready for every request.
    var isOpen = false
    var frameBytesMax = 0
    var credit = PutCredit(bytesMax: 0, requestsMax: 0)
    /// At most `outstandingMax` requests, 1 to 65,000, are without an answer; more have to wait. Signs of life have 16
    /// places more.
    package init(hello: Hello, outstandingMax: Int = 4096) {
        let count = min(max(1, outstandingMax), 65_000) + Self.signsOfLifeMax
        self.hello = hello
        self.slots = Array(repeating: Outstanding(), count: count)
        self.freeSlots = (0..<count).reversed().map { UInt16($0) }
    }

    /// Many other requests that wait for their answers must not make a worker look dead.
    private static let signsOfLifeMax = 16

    private func hasSlot(for type: FrameType) -> Bool {
        switch type {
        case .heartbeat, .joinGroup, .leaveGroup: !self.freeSlots.isEmpty
        default: self.freeSlots.count > Self.signsOfLifeMax
        }
    }

    package var slotCount: Int { self.slots.count }
    package var outstandingCount: Int { self.slots.count - self.freeSlots.count }

    /// For `FrameScanner`, about what the server sends: as short as Hello until that is answered, then as long as any
    /// frame may be, for a batch is sent as it is stored.
    package var phase: FrameScanner.Phase {
        self.isOpen ? .open(frameBytesMax: Limits.frameBytesMax) : .beforeHello
    }
}

// MARK: - Sending

extension ClientMachine {
    /// Below every id of a request.
    var helloCorrelation: UInt64 { 1 }

    /// The connection is there: the frame of Hello, to be sent before anything else; empty when that was done.
    package mutating func connected() -> [UInt8] {
        guard case .connecting = self.state else { return [] }
        self.state = .greeting
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
        self.isOpen && bytes <= self.frameBytesMax && self.hasSlot(for: .putRecords) && self.credit.allows(bytes)
    }

    /// Asks to send a request with a payload of `bytes` bytes, and when it may, counts it as sent.
    package mutating func request(_ type: FrameType, bytes: Int) -> Admission {
        guard self.isOpen, bytes <= self.frameBytesMax else { return self.refusal(bytes: bytes) }
        if type == .putRecords, !self.credit.allows(bytes) { return .wait }
        guard self.hasSlot(for: type), let slot = self.freeSlots.popLast() else { return .wait }
        if type == .putRecords { self.credit.take(bytes) }
        self.requests += 1
        let correlation = self.requests << 16 | UInt64(slot)
        self.slots[Int(slot)] = Outstanding(
            correlation: correlation, type: type, answerNumber: type.rawValue | FrameType.answerBit, bytes: bytes)
        return .send(correlation: correlation)
    }

    func refusal(bytes: Int) -> Admission {
        switch self.state {
        case .connecting, .greeting: .wait
        case .closed: .refuse(WeirError(.unavailable, "the connection is closed"))
        case .open:
            .refuse(
                WeirError(
                    .frameTooLarge,
                    "a request of \(bytes) bytes; the server takes at most \(self.frameBytesMax)"))
        }
    }
}
