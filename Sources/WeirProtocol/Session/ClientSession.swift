// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// A `ClientMachine` that keeps for each request what the caller wants back with its answer, such as the place where
/// somebody waits. All decisions are the machine's.
package struct ClientSession<Context: Sendable>: Sendable {
    package typealias State = ClientMachine.State
    package typealias Admission = ClientMachine.Admission

    private var machine: ClientMachine
    /// By slot.
    private var contexts: [Context?]

    /// At most `outstandingMax` requests, 1 to 65,000, are without an answer, beside signs of life; more have to wait.
    package init(hello: Hello, outstandingMax: Int = 4096) {
        self.machine = ClientMachine(hello: hello, outstandingMax: outstandingMax)
        self.contexts = Array(repeating: nil, count: self.machine.slotCount)
    }

    package var state: State { self.machine.state }
    package var outstandingCount: Int { self.machine.outstandingCount }
    package var phase: FrameScanner.Phase { self.machine.phase }

    /// See `ClientMachine.connected`.
    package mutating func connected() -> [UInt8] { self.machine.connected() }

    /// See `ClientMachine.mayPut`.
    package func mayPut(_ bytes: Int) -> Bool { self.machine.mayPut(bytes) }

    /// See `ClientMachine.request`.
    package mutating func request(_ type: FrameType, bytes: Int, context: Context) -> Admission {
        let admission = self.machine.request(type, bytes: bytes)
        if case .send(let correlation) = admission { self.contexts[ClientMachine.slot(of: correlation)] = context }
        return admission
    }

    /// See `ClientMachine.Received`.
    package enum Received {
        case helloAnswer
        case answer(FrameType, Context)
        case failure(FrameType, Context)
        case helloRefused
        case push(FrameType)
        case violation(WeirError)
    }

    /// See `ClientMachine.received`.
    package mutating func received(_ header: FrameHeader) -> Received {
        switch self.machine.received(header) {
        case .helloAnswer: return .helloAnswer
        case .helloRefused: return .helloRefused
        case .push(let type): return .push(type)
        case .violation(let error): return .violation(error)
        case .answer(let request):
            return .answer(request.type, self.take(request))
        case .failure(let request):
            return .failure(request.type, self.take(request))
        }
    }

    private mutating func take(_ request: ClientMachine.Request) -> Context {
        guard let context = self.contexts[request.slot] else { preconditionFailure("a request without its context") }
        self.contexts[request.slot] = nil
        return context
    }

    /// See `ClientMachine.helloAnswered`.
    package mutating func helloAnswered(payload: UnsafeRawBufferPointer) throws(WeirError) -> HelloAnswer {
        try self.machine.helloAnswered(payload: payload)
    }

    /// A request that will not be answered any more.
    package struct Ended {
        package let type: FrameType
        package let context: Context
        package let error: WeirError
    }

    /// See `ClientMachine.closed`.
    package mutating func closed(_ reason: WeirError) -> [Ended] {
        self.machine.closed(reason).map {
            Ended(type: $0.request.type, context: self.take($0.request), error: $0.error)
        }
    }
}
