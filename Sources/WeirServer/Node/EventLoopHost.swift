// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirEngine
import WeirIO

/// An event loop as the engine's lane on it needs it. What the lane's callers have written meanwhile is flushed behind
/// everything that comes to the lane this way.
final class EventLoopHost: LaneHost {
    private struct State {
        /// `nil` before the lane is there, and once the node has closed everything.
        var context: LoopContext?
        var timer: (task: Scheduled<Void>, nanos: UInt64)?
    }

    private let eventLoop: any EventLoop
    private let state: NIOLoopBoundBox<State>
    /// Made once, because it is given to the loop in most turns.
    private let turnsEnd: @Sendable () -> Void

    /// On the loop itself.
    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        let state = NIOLoopBoundBox(State(), eventLoop: eventLoop)
        self.state = state
        self.turnsEnd = { state.value.context?.lane.turnEnded() }
    }

    /// On the loop itself.
    func attach(_ context: LoopContext) { self.state.value.context = context }

    /// On the loop itself: nothing comes to the lane any more.
    func detach() {
        self.state.value.timer?.task.cancel()
        self.state.value = State()
    }

    func run(_ body: @escaping @Sendable (Lane) -> Void) {
        let state = self.state
        self.eventLoop.execute {
            guard let context = state.value.context else { return }
            body(context.lane)
            context.flush()
        }
    }

    func endTurn() { self.eventLoop.execute(self.turnsEnd) }

    func wake(atNanos nanos: UInt64) {
        guard let context = self.state.value.context else { return }
        if let timer = self.state.value.timer {
            if timer.nanos <= nanos { return }
            timer.task.cancel()
        }
        let now = context.node.clock.monotonicNanos
        // A millisecond at least, so that a clock that stands still does not keep the loop busy. A second at most,
        // because the loop's timers may stand still while the system sleeps, and this clock does not: the lane looks
        // what is due, and asks to be woken again.
        let delay = min(max(1_000_000, nanos > now ? nanos - now : 0), SystemClock.longestWaitNanos)
        let state = self.state
        let task = self.eventLoop.scheduleTask(in: .nanoseconds(Int64(clamping: delay))) {
            state.value.timer = nil
            guard let context = state.value.context else { return }
            context.lane.timeCame()
            context.flush()
        }
        self.state.value.timer = (task, nanos)
    }
}
