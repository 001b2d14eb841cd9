// SPDX-License-Identifier: Apache-2.0

/// Nodes that break a rule on purpose, made by changing what the driver does around the engine or what the disk holds:
/// the product has no such switch. The auditors must catch every one.
package enum Breakage: String, CaseIterable, Sendable {
    // MARK: The log and its disk
    /// Puts are acknowledged when their commit is sealed.
    case acknowledgesBeforeWriting
    /// Syncs and direct writes say success before anything is on the disk.
    case skipsSync
    /// A put is acknowledged when its own commit is on the disk, whatever became of the one before.
    case acknowledgesOutOfOrder
    /// Recovery takes commits of older terms that a newer term's cut made void.
    case ignoresCuts
    /// Recovery goes on behind a hole, and takes what is whole there, whatever it is chained to.
    case goesOnBehindHoles
    /// A segment is used again before the event that drops it is durable.
    case recyclesEarly
    /// Recovery does not write again what was never proven acknowledged.
    case skipsRewriting
    /// Readers are told of records that are not yet durable.
    case showsTooEarly
    /// Describing a stream does not wait until what it tells is durable.
    case describesTooEarly
    /// What has expired by the wall clock is destroyed, however the clock came to say so.
    case destroysByTheClock
    /// A start believes the wall clock.
    case believesAtEveryStart
    /// What the wall clock hides is stored, and stays hidden when the clock is right again.
    case storesWhatItHides
    /// A clock that is wrong stops what is no matter of time.
    case stopsWithTheClock
    /// Nothing is deleted by age, also when the clock is right.
    case neverDeletes
    /// A size cap takes the newest full segment of a stream too, as soon as it is beyond the cap with it.
    case capsTakeWhatFillsThem

    // MARK: Producers and readers
    /// Rates are counted by a clock that runs four times as fast.
    case admitsTooMuch
    /// An admission forgets what it refused: an ordered put passes a refused one.
    case forgetsRefusals
    /// A long poll hears nothing of what becomes durable.
    case neverWakesPolls
    /// A long poll is not answered at its deadline.
    case forgetsDeadlines
    /// An answer is given before its mark is reached.
    case answersTooEarly
    /// What a failed write has lost is answered as if it were stored.
    case answersWhatIsLost
    /// Memory for records is not given back when they have left.
    case leaksReadMemory
    /// A caller goes, and what waits for it stays.
    case leaksWaiters
    /// A put that has an answer gets a second one.
    case answersTwice
    /// A put gets no answer.
    case forgetsAnswers

    // MARK: Workers
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

    /// Whose histories catch it.
    package var mix: Mix {
        switch self {
        case .admitsTooMuch, .forgetsRefusals, .neverWakesPolls, .forgetsDeadlines, .answersTooEarly,
            .answersWhatIsLost, .leaksReadMemory, .leaksWaiters, .answersTwice, .forgetsAnswers:
            .load
        case .checkpointsWithoutCounter, .childrenBeforeParents, .childrenBeforeGrandparents, .answersBeforeDurable,
            .expiresInPauses, .expiresAtRestart, .keepsCounter, .forgetsCheckpoints, .beginsAtTip, .neverExpires,
            .readsWithoutFence:
            .workers
        default: .disk
        }
    }
}
