// SPDX-License-Identifier: Apache-2.0
import Logging
import Synchronization
import WeirEngine
import WeirStorage

/// Brings what the log reports from its threads to the event loops: to each loop with one hop, however many reports
/// come before the loop has time for them.
final class ProgressRelay: Sendable {
    private struct State {
        var loops: [LaneInbox] = []
        var onStop: (@Sendable (String) -> Void)?
        var stopped: String?
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Reports that came before are lost but for the end: whoever attaches loops lets them look at the log afterwards.
    func attach(_ loops: [LaneInbox], onStop: @escaping @Sendable (String) -> Void) {
        let stopped = self.state.withLock { state in
            state.loops = loops
            state.onStop = onStop
            return state.stopped
        }
        if let stopped { onStop(stopped) }
    }

    /// Called on threads of the log.
    func report(_ progress: Progress) {
        switch progress {
        case .notice(let sentence): return self.logger.notice("\(sentence)")
        case .failed(_, let reason):
            self.logger.error("a write of the log failed; recovering", metadata: ["reason": "\(reason)"])
        case .recovered: self.logger.notice("the log serves again")
        case .durable, .stopped: break
        }
        let (loops, onStop) = self.state.withLock { state in
            if case .stopped(let reason) = progress { state.stopped = reason }
            return (state.loops, state.onStop)
        }
        if case .stopped(let reason) = progress {
            onStop?(reason)
        } else {
            for loop in loops { loop.post(progress) }
        }
    }
}
