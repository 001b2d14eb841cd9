// SPDX-License-Identifier: Apache-2.0
import WeirConsumer
import WeirModel

/// What follows when the destination, or the server, refuses something: whether it is tried again, and when. Of one
/// effect; no clock.
package struct Attempts: Sendable {
    package enum Refusal: Hashable, Sendable {
        case destination(DestinationError)
        case server(WeirError)
        /// Neither of them has answered; a sentence.
        case other(String)
    }

    /// Who wants it, by now.
    package enum Wanted: Hashable, Sendable {
        case still
        /// The delivery was asked to end.
        case ending
        /// The lease is another's, or nobody waits for it.
        case not
    }

    package enum Decision: Hashable, Sendable {
        /// After a pause, in nanoseconds; meanwhile the sentence says what is waited for.
        case again(nanos: UInt64, String)
        /// `leaves`: the sentence for what stays unfinished by that.
        case ends(DeliveryProtocol.End, leaves: String? = nil)
    }

    package static let firstPause: UInt64 = 50_000_000
    package static let longestPause: UInt64 = 1_000_000_000

    private var nextPause = Self.firstPause

    package init() {}

    /// Whether it was told that something is waited for.
    package var hasWaited: Bool { self.nextPause > Self.firstPause }

    /// A full disk is waited for; what was lost has to be read again; what the server refuses for good ends this
    /// holding of the lease.
    package mutating func failed(_ refusal: Refusal, wanted: Wanted) -> Decision {
        let reason: String
        switch refusal {
        case .destination(let error):
            if error.kind == .lost { return .ends(.beginsAnew(error.description)) }
            reason = error.description
        case .server(let error):
            if error.code == .leaseLost || error.verdict.retry == .never { return .ends(.failed(error)) }
            reason = error.message
        case .other(let sentence): reason = sentence
        }
        switch wanted {
        case .still:
            defer { self.nextPause = min(self.nextPause * 2, Self.longestPause) }
            return .again(nanos: self.nextPause, reason)
        case .ending: return .ends(.stopped, leaves: reason)
        case .not: return .ends(.stopped)
        }
    }
}
