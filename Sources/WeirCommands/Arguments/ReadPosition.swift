// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// What `--from` and `--to` say.
package enum ReadPosition: Hashable, Sendable {
    case trimHorizon
    /// In `--from` what comes from now on; in `--to` (there: `now`) what is there now.
    case latest
    case sequence(SequenceNumber)
    case time(TimePoint)

    /// A sequence number is told from a time by its length: 56 digits. The names are taken in the spelling of Kinesis
    /// too, and in any case.
    package static func parseFrom(_ text: String) throws(Failure) -> ReadPosition {
        switch Self.word(text) {
        case "trim-horizon", "earliest": return .trimHorizon
        case "latest", "now": return .latest
        default:
            return try Self.parse(text, "trim-horizon (or earliest), latest (or now), a sequence number")
        }
    }

    /// What lies before the end: `earliest` would leave nothing.
    package static func parseTo(_ text: String) throws(Failure) -> ReadPosition {
        switch Self.word(text) {
        case "now", "latest": return .latest
        default: return try Self.parse(text, "now (or latest), a sequence number")
        }
    }

    private static func word(_ text: String) -> String { String(text.lowercased().map { $0 == "_" ? "-" : $0 }) }

    private static func parse(_ text: String, _ others: String) throws(Failure) -> ReadPosition {
        if let sequence = try Self.parseSequence(text) { return sequence }
        // A number has a sentence of its own for what is wrong with it, and so has a time.
        if text.first?.isNumber == true { return .time(try TimeText.parse(text)) }
        throw .usage("'\(text.prefix(60))' is not \(others), or \(TimeText.allowed)")
    }

    /// Whether the server's clock must be asked.
    var isRelative: Bool {
        if case .time(.ago) = self { return true }
        return false
    }

    /// Refuses what ends before it begins.
    static func check(from: ReadPosition?, to: ReadPosition?, serverMillis: Int64) throws(Failure) {
        guard case .time(let to)? = to else { return }
        let end = to.millis(serverMillis: serverMillis)
        switch from {
        case .time(let from)?:
            let start = from.millis(serverMillis: serverMillis)
            guard start > end else { return }
            throw .usage(
                "--to, \(TimeText.describe(end)), lies before --from, \(TimeText.describe(start)): exchange them")
        case .latest?:
            throw .usage("--from latest begins where --to, \(TimeText.describe(end)), has passed")
        case nil, .trimHorizon?, .sequence?: return
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
    func streamStart(serverMillis: Int64) throws(Failure) -> StreamStart {
        guard case .start(let start) = self.shardStart(serverMillis: serverMillis) else {
            throw .usage("a sequence number belongs to one shard: add --shard")
        }
        return start
    }

    func shardStart(serverMillis: Int64) -> ShardIteratorType {
        switch self {
        case .trimHorizon: .trimHorizon
        case .latest: .latest
        case .time(let time): .atTimestamp(time.millis(serverMillis: serverMillis))
        case .sequence(let number): .atSequenceNumber(number)
        }
    }
}

extension WeirClient {
    /// What the server's clock says, if one of the positions counts from it; 0 if not.
    func serverMillis(for positions: ReadPosition?...) async throws -> Int64 {
        guard positions.contains(where: { $0?.isRelative == true }) else { return 0 }
        return try await self.ping().serverTimeMillis
    }
}
