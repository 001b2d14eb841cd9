// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// What `--from` and `--to` say.
package enum ReadPosition: Hashable, Sendable {
    case trimHorizon
    /// In `--from` what comes from now on; in `--to` (there: `now`) what is there now.
    case latest
    case sequence(SequenceNumber)
    /// Milliseconds since 1970.
    case time(Int64)

    /// A sequence number is told from a time by its length: 56 digits.
    package static func parseFrom(_ text: String, nowMillis: Int64) throws(Failure) -> ReadPosition {
        switch text {
        case "trim-horizon": return .trimHorizon
        case "latest": return .latest
        default:
            if let sequence = try Self.parseSequence(text) { return sequence }
            do {
                return .time(try TimeText.parse(text, nowMillis: nowMillis))
            } catch {
                throw .usage(
                    "'\(text.prefix(60))' is not trim-horizon, latest, a sequence number, or \(TimeText.allowed)")
            }
        }
    }

    package static func parseTo(_ text: String, nowMillis: Int64) throws(Failure) -> ReadPosition {
        if text == "now" { return .latest }
        if let sequence = try Self.parseSequence(text) { return sequence }
        do {
            return .time(try TimeText.parse(text, nowMillis: nowMillis))
        } catch {
            throw .usage("'\(text.prefix(60))' is not now, a sequence number, or \(TimeText.allowed)")
        }
    }

    private static func parseSequence(_ text: String) throws(Failure) -> ReadPosition? {
        guard text.utf8.count > 20, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        do throws(WeirError) {
            return .sequence(try SequenceNumber(parsing: text))
        } catch {
            throw .usage(error.message)
        }
    }

    /// For a whole stream: sequence numbers compare only within a shard.
    func streamStart() throws(Failure) -> StreamStart {
        switch self {
        case .trimHorizon: .trimHorizon
        case .latest: .latest
        case .time(let millis): .timestamp(millis)
        case .sequence: throw .usage("a sequence number belongs to one shard: add --shard")
        }
    }

    var shardStart: ShardIteratorType {
        switch self {
        case .trimHorizon: .trimHorizon
        case .latest: .latest
        case .time(let millis): .atTimestamp(millis)
        case .sequence(let number): .atSequenceNumber(number)
        }
    }
}
