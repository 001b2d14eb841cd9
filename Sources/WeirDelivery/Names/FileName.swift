// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What files are called: the same records under one stream, shard and cut have the same name, so that a file which was
/// made already is known.
package enum FileName {
    /// Characters of a stream's name, so that a name has at most 255 bytes with both sequence numbers.
    package static let streamCharactersMax = 100

    /// Files of the same records: of one that has the name already, another one is called `-2`.
    package static let copiesMax = 99

    /// A name without its prefix.
    package static func of(
        _ stream: StreamName, first: SequenceNumber, last: SequenceNumber, _ compression: Compression, copy: Int = 1
    ) -> String {
        "\(stream)-\(first.shard)-\(first)-\(last)\(copy == 1 ? "" : "-\(copy)")\(compression.suffix)"
    }

    /// Bytes of the longest name of files of a stream. Throws `invalidArgument` when it is too long.
    package static func longest(_ stream: StreamName, _ compression: Compression) throws(WeirError) -> Int {
        let name = stream.description
        guard name.utf8.count <= Self.streamCharactersMax else {
            throw WeirError(
                .invalidArgument,
                "the stream's name has \(name.utf8.count) characters; streams with at most "
                    + "\(Self.streamCharactersMax) can be delivered, because file names carry it")
        }
        // shardId-000000000000, and two numbers of at most 56 digits, and -99.
        return name.utf8.count + 1 + 20 + 2 * 57 + 3 + compression.suffix.utf8.count
    }

    /// First and last number in a name that `of` has made; `nil`: it is another one's, or of another shard.
    package static func numbers(
        in name: String, _ stream: StreamName, _ shard: ShardNumber
    ) -> (first: SequenceNumber, last: SequenceNumber)? {
        let beginning = "\(stream)-\(shard)-"
        guard name.hasPrefix(beginning) else { return nil }
        let rest = name.dropFirst(beginning.count)
        let parts = rest.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let first = try? SequenceNumber(parsing: String(parts[0])),
            let last = try? SequenceNumber(parsing: String(parts[1].prefix { $0.isASCII && $0.isNumber })),
            first.shard == shard, last.shard == shard, first.index <= last.index
        else { return nil }
        return (first, last)
    }

    /// The beginning of the names of all notes of a stream: a note is called as the first of its files was before.
    static func notePrefix(_ stream: String) -> String { "\(stream)-" }

    /// A manifest that is being written.
    static func unfinishedManifest(_ stream: String, _ draw: UInt64) -> String {
        Self.unfinishedManifests(stream) + String(draw, radix: 16)
    }

    /// The beginning of the names of all unfinished manifests of a stream.
    static func unfinishedManifests(_ stream: String) -> String { "\(stream)-manifest!-" }

    /// A file that a backfill is writing.
    package static func unfinishedOfBackfill(_ stream: String, _ shard: ShardNumber, number: UInt64) -> String {
        Self.unfinishedOfBackfill(stream) + "\(shard)-\(number)"
    }

    /// The beginning of the names of all unfinished files of backfills of a stream.
    package static func unfinishedOfBackfill(_ stream: String) -> String { "\(stream)-backfill!-" }

    /// What tells a stream from all others, also from those of other servers: its number there and when it was made.
    package static func tag(_ id: StreamID, createdMillis: Int64) -> String {
        "\(id.rawValue).\(String(createdMillis, radix: 36))"
    }

    /// The beginning of the names of all unfinished files of a lease's shard, whoever holds it.
    package static func unfinishedPrefix(
        _ stream: String, _ application: ApplicationName, _ shard: ShardNumber
    ) -> String {
        "\(stream)-\(application)-\(shard)-"
    }

    /// A file that is being written under the lease with `counter`, which stands in the name: whoever holds the lease
    /// later knows whose it was.
    package static func unfinished(
        _ stream: String, _ application: ApplicationName, _ shard: ShardNumber, counter: UInt64, number: UInt64,
        life: UInt64
    ) -> String {
        Self.unfinishedPrefix(stream, application, shard) + "\(counter)-\(String(life, radix: 16))-\(number)"
    }

    /// The counter in a name that begins with `prefix`; `nil`: it is no such name.
    package static func counter(of name: String, prefix: String) -> UInt64? {
        guard name.hasPrefix(prefix) else { return nil }
        let parts = name.dropFirst(prefix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, UInt64(parts[2]) != nil else { return nil }
        return UInt64(parts[0])
    }
}
