// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

@testable import WeirClient

/// Takes everything and never says a word.
final class DeafServer: FrameReceiver {
    func received(_ header: FrameHeader, _ frame: ByteBuffer, isOwned: Bool) {}
    func closed(_ reason: WeirError) {}
}
