// SPDX-License-Identifier: Apache-2.0

/// How many bytes of batches may be pushed to a subscription.
///
/// A push may be sent while the balance is above 0 and takes all its `batchBytes`, so one batch that is larger than
/// what the client ever grants still arrives; the balance is then below 0 until the client has made up for it.
package struct SubscriptionCredit: Hashable, Sendable {
    /// A client that grants more than this gains nothing.
    package static let balanceMax = Int64(UInt32.max)

    package private(set) var balance: Int64

    package init(bytes: UInt32) {
        self.balance = Int64(bytes)
    }

    package var mayPush: Bool { self.balance > 0 }

    package mutating func take(batchBytes: UInt32) {
        self.balance -= Int64(batchBytes)
    }

    package mutating func grant(bytes: UInt32) {
        self.balance = min(self.balance + Int64(bytes), Self.balanceMax)
    }
}
