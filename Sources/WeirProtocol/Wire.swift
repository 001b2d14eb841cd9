// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What is fixed about the binary protocol beside its messages. `docs/wire-protocol.md` describes every byte.
package enum Wire {
    /// The one version of the protocol that this build speaks.
    package static let version: UInt16 = 1
    /// `WEIR` as its four ASCII bytes stand on the wire.
    package static let magic: UInt32 = 0x5249_4557
    /// What an end can do beyond the version, by bit. A bit that was given out never changes its meaning.
    package enum Features {
        /// The answer to ResetLeases ends in how many leases the reset is of.
        package static let resetCount: UInt64 = 1
        /// Settings come with the name of their limits profile behind the message that holds them.
        package static let limitsProfiles: UInt64 = 2
        /// Reserved: batches whose codec is not 0. No build has it yet.
        package static let batchCodecs: UInt64 = 4
        /// GetRecords may name a place instead of an iterator, and quote the lease that it reads under.
        package static let quotedReads: UInt64 = 8
    }
    /// Feature bits that this build knows.
    package static let features = Features.resetCount | Features.limitsProfiles | Features.quotedReads
    /// Bytes of UTF-8.
    package static let clientNameBytesMax = 128
    package static let tokenBytesMax = 256
    /// Longer sentences are cut by the sender.
    package static let messageBytesMax = 2048
    package static let statusEntriesMax = 1024
    /// Shards of one page of ListShards, streams of one page of ListStreams, rows of one page of ListLeases.
    package static let pageMax = 10_000
    /// Rows of such a page that a server sends, whatever the limit: an answer is made while others wait, and kept until
    /// it has been read.
    package static let answerRowsMax = 2_000
    /// Rows of the lease table that the answer to a reset names, of however many it is: what fits into a frame, whoever
    /// held them.
    package static let resetsMax = 40_000
    /// Groups of one put: no stream has more shards.
    package static let putGroupsMax = 10_000
    /// Bytes of one batch body: so that a batch fits into one answer with everything that stands before it.
    package static let bodyBytesMax = Limits.frameBytesMax - 4096
    /// The shard number of a group that the server routes record by record.
    package static let routedByServer = UInt32.max
}

/// The text without what stands behind its first `bytes` bytes of UTF-8, cut between characters.
func cut(_ text: String, toBytes bytes: Int) -> String {
    if text.utf8.count <= bytes { return text }
    var kept = ""
    var used = 0
    for character in text {
        used += character.utf8.count
        if used > bytes { break }
        kept.append(character)
    }
    return kept
}
