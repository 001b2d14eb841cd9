// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The sentence for records that a put's answer refuses: no text is sent for them, so the reader of the answer composes
/// it from the code and the shard.
package enum PutRefusal {
    package static func message(_ code: WeirError.Code, shard: ShardNumber) -> String {
        switch code {
        case .throughputExceeded: "the rate of \(shard) is used up"
        case .wrongShard: "a record's hash key is not in \(shard), or the shard is closed: refresh the shard map"
        case .shardNotFound: "\(shard) does not exist in this stream"
        case .behind: "an earlier record for \(shard) was refused: re-send from there, in order"
        case .outcomeUnknown: "whether the records for \(shard) were stored is not known"
        case .unavailable: "\(shard) cannot take records now"
        case .storageFull: "no room is left to store records for \(shard)"
        case .streamDeleted: "the stream of \(shard) was deleted"
        case .checksumMismatch: "the bytes of a batch for \(shard) do not match their checksum"
        case .malformedRequest: "a batch for \(shard) does not have the form of one"
        case .recordTooLarge: "a record for \(shard) is larger than its stream allows"
        case .invalidArgument: "a record for \(shard) has a partition key that is not 1 to 256 characters of UTF-8"
        case .internalFailure: "\(shard) failed inside the server"
        default: "\(shard) refused the records: \(code.name)"
        }
    }
}
