// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirClient
import WeirIO

/// Between the three who work on one lease: who reads its records, who processes them, and who may stop it all. Holds
/// one batch.
final class LeaseMailbox: Sendable {
    enum Taken: Sendable {
        case batch(SourceBatch)
        case stop(WorkerMachine.StopReason)
    }

    private struct State {
        var batch: SourceBatch?
        var stop: WorkerMachine.StopReason?
        var isClosed = false
        var waiting: [CheckedContinuation<Void, Never>] = []

        var isLost: Bool { if case .lost? = self.stop { true } else { false } }
    }

    private let state = Mutex(State())

    /// Returns what `check` finds, now or after a change. Nobody who waits needs to be cancelled: `close` is a change
    /// that everybody waits for.
    private func wait<R: Sendable>(_ check: (inout State) -> R?) async -> R {
        while true {
            var result: R?
            await withCheckedContinuation { continuation in
                let others = self.state.withLock { state in
                    result = check(&state)
                    guard result != nil else {
                        state.waiting.append(continuation)
                        return [CheckedContinuation<Void, Never>]()
                    }
                    defer { state.waiting = [] }
                    return state.waiting + [continuation]
                }
                for waiting in others { waiting.resume() }
            }
            if let result { return result }
        }
    }

    private func change(_ change: (inout State) -> Void) {
        let waiting = self.state.withLock { state in
            change(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    // MARK: Who reads

    /// Returns when the batch was taken; false when nobody will take it.
    func put(_ batch: SourceBatch) async -> Bool {
        let isIn: Bool = await self.wait { state in
            if state.isClosed || state.stop != nil { return false }
            guard state.batch == nil else { return nil }
            state.batch = batch
            return true
        }
        guard isIn else { return false }
        return await self.wait { state in
            if state.batch == nil { return true }
            return state.isClosed || state.stop != nil ? false : nil
        }
    }

    // MARK: Who processes

    /// A wish to stop comes before everything else.
    func take() async -> Taken {
        await self.wait { state in
            if let stop = state.stop { return .stop(stop) }
            guard let batch = state.batch else { return nil }
            state.batch = nil
            return .batch(batch)
        }
    }

    /// Set when it is to stop.
    var stopReason: WorkerMachine.StopReason? { self.state.withLock { $0.stop } }

    /// Waits until that time; false when it is to stop, at once then.
    func pause(until nanoseconds: UInt64, _ clock: any Clock) async -> Bool {
        clock.schedule(at: nanoseconds) { self.change { _ in } }
        return await self.wait { state in
            if state.stop != nil || state.isClosed { return false }
            return clock.monotonicNanos >= nanoseconds ? true : nil
        }
    }

    /// Nothing is processed any more: whoever waits stops waiting.
    func close() { self.change { $0.isClosed = true } }

    // MARK: Who stops it

    /// A lost lease is not worse than lost; a stop that was asked for can still become one.
    func stop(_ reason: WorkerMachine.StopReason) {
        self.change { state in
            if !state.isLost { state.stop = reason }
        }
    }

    /// True when the lease was lost, false when it was closed before.
    func waitUntilLost() async -> Bool {
        await self.wait { state in
            if state.isLost { return true }
            return state.isClosed ? false : nil
        }
    }
}
