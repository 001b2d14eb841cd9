// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

/// The way to a node: TCP, or memory in tests. Frames in, frames out; what they mean is not known here.
package protocol Transport: Sendable {
    /// Opens a connection. `receiver` hears of everything that comes, and at last of its end, in order and one at a
    /// time, never on the stack of `send`. Throws `unavailable` when nobody is there.
    func connect(to receiver: any FrameReceiver, timeout: Duration) async throws(WeirError) -> any FrameConnection
    /// Ends what it has running, once its connections are closed.
    func shutdown() async
}

package protocol FrameConnection: AnyObject, Sendable {
    /// Sends a whole frame behind those that were sent before. Never waits, never calls back; what cannot be sent any
    /// more is dropped, and the receiver hears of the end.
    func send(_ frame: ByteBuffer)
    /// Closes, also when frames have not been sent yet. The receiver hears of the end.
    func close()
}

package protocol FrameReceiver: AnyObject, Sendable {
    /// A whole frame. `isOwned`: its memory holds nothing else, so keeping it costs only its own size.
    func received(_ header: FrameHeader, _ frame: ByteBuffer, isOwned: Bool)
    /// Nothing will come any more. Once.
    func closed(_ reason: WeirError)
}
