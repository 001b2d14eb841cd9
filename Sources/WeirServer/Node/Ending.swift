// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The end of something, which happens once and which any number of tasks await.
final class Ending: Sendable {
    private struct State {
        var hasEnded = false
        var reason: String?
        var waiting: [CheckedContinuation<String?, Never>] = []
    }

    private let state = Mutex(State())

    /// The first reason stays.
    func end(_ reason: String?) {
        let waiting = self.state.withLock { state -> [CheckedContinuation<String?, Never>] in
            guard !state.hasEnded else { return [] }
            state.hasEnded = true
            state.reason = reason
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: reason) }
    }

    var reason: String? {
        get async {
            await withCheckedContinuation { continuation in
                let ended = self.state.withLock { state -> (Bool, String?) in
                    if !state.hasEnded { state.waiting.append(continuation) }
                    return (state.hasEnded, state.reason)
                }
                if ended.0 { continuation.resume(returning: ended.1) }
            }
        }
    }
}
