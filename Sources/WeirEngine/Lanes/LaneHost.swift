// SPDX-License-Identifier: Apache-2.0

/// The thread that a lane lives on: an event loop, or the queue of a simulation.
package protocol LaneHost: AnyObject, Sendable {
    /// Runs `body` with the lane, soon, on its thread. May be called from any thread; bodies keep their order.
    func run(_ body: @escaping @Sendable (Lane) -> Void)
    /// `Lane.timeCame` is wanted at this monotonic time, in nanoseconds; an earlier wish that is still open stands. On
    /// the lane's thread only.
    func wake(atNanos: UInt64)
    /// `Lane.turnEnded` is wanted behind all that the thread has to do now. On the lane's thread only.
    func endTurn()
}
