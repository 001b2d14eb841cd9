// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel

/// Who puts over a connection. Called in the order of what arrives, one call at a time, without locks held.
protocol PutSink: AnyObject, Sendable {
    /// The payload of a put's answer.
    func putAnswered(_ sequence: UInt64, _ payload: ByteBuffer)
    /// The server refused a put as a whole.
    func putRefused(_ sequence: UInt64, _ error: WeirError)
    /// The connection is gone: no answer will come any more.
    func connectionClosed(_ error: WeirError)
}

/// Who reads by a subscription. Called in the order of what arrives, one call at a time, without locks held.
protocol SubscriptionSink: AnyObject, Sendable {
    func subscribed(_ subscription: UInt32)
    /// The payload of a push, in memory of its own. False when it was the last one.
    func received(_ payload: ByteBuffer) -> Bool
    /// The subscription was refused or ended, or its connection is gone.
    func ended(_ error: WeirError)
}
