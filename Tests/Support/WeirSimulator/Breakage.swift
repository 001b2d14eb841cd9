// SPDX-License-Identifier: Apache-2.0

/// Engines that break a rule of the log on purpose, made by changing what the driver does or what the disk holds: the
/// product has no such switch. The auditors must catch every one.
package enum Breakage: String, CaseIterable, Sendable {
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
}
