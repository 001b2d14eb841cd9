// SPDX-License-Identifier: Apache-2.0

/// Engines that break a rule of consumers on purpose, made by changing what the driver does: the product has no such
/// switch. The auditors must catch every one.
package enum ConsumerBreakage: String, CaseIterable, Sendable {
    /// A checkpoint is taken from anybody, whatever counter it shows.
    case checkpointsWithoutCounter
    /// A child is assigned while its parents are being processed.
    case childrenBeforeParents
    /// A child is assigned when its parents are finished, whatever is left to do of the shards that they came of.
    case childrenBeforeGrandparents
    /// What was decided is told before it is durable.
    case answersBeforeDurable
    /// Workers expire by silence that the server's own pause is to blame for.
    case expiresInPauses
    /// The owners that the table names are not expected back when the server starts.
    case expiresAtRestart
    /// The counter does not rise when a lease goes to another worker.
    case keepsCounter
    /// A lease goes to its next holder without its checkpoint.
    case forgetsCheckpoints
    /// A lease goes to its next holder from the newest record on.
    case beginsAtTip
    /// Silent workers keep their leases for ever.
    case neverExpires
    /// Records are given to whoever asks, whatever lease the reader quotes.
    case readsWithoutFence
}
