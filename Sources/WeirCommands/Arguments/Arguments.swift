// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// The transforms of arguments: what they throw is a usage error that names what is allowed.
enum Arguments {
    static func stream(_ text: String) throws -> StreamName {
        try Self.usage { () throws(WeirError) in try StreamName(text) }
    }

    static func application(_ text: String) throws -> ApplicationName {
        try Self.usage { () throws(WeirError) in try ApplicationName(text) }
    }

    static func worker(_ text: String) throws -> WorkerID {
        try Self.usage { () throws(WeirError) in try WorkerID(text) }
    }

    static func consumer(_ text: String) throws -> ConsumerName {
        try Self.usage { () throws(WeirError) in try ConsumerName(text) }
    }

    static func sessionTimeout(_ text: String) throws -> Duration {
        let allowed = Limits.sessionTimeoutMillis
        return .milliseconds(try DurationText.parse(text, in: Int64(allowed.lowerBound)...Int64(allowed.upperBound)))
    }

    static func shard(_ text: String) throws -> ShardNumber {
        try Self.usage { () throws(WeirError) in try ShardNumber(parsing: text) }
    }

    /// Why a lease is reset.
    static func reason(_ text: String) throws -> String {
        guard (1...Limits.reasonBytesMax).contains(text.utf8.count) else {
            throw Failure.usage(
                "a reason of \(text.utf8.count) bytes is not allowed: 1 to \(Limits.reasonBytesMax)")
        }
        return text
    }

    static func hashKey(_ text: String) throws -> HashKey {
        try Self.usage { () throws(WeirError) in try HashKey(parsing: text) }
    }

    static func limits(_ text: String) throws -> LimitsProfile {
        try Self.usage { () throws(WeirError) in try LimitsProfile(parsing: text) }
    }

    static func shardCount(_ text: String) throws -> Int {
        try Self.number(text, Limits.shardsPerStream)
    }

    static func retention(_ text: String) throws -> Int64 {
        try DurationText.parse(text, in: Limits.retentionMillis)
    }

    static func sizeCap(_ text: String) throws -> Int64 {
        let bytes = try SizeText.parse(text)
        guard bytes >= Limits.streamBytesMin else {
            throw Failure.usage("\(text) is not allowed: at least \(SizeText.describe(Limits.streamBytesMin))")
        }
        return bytes
    }

    static func recordBytes(_ text: String) throws -> Int {
        Int(try SizeText.parse(text, in: Int64(Limits.recordBytesDefault)...Int64(Limits.recordBytesMax)))
    }

    /// Between the reads of a worker that polls.
    static func idle(_ text: String) throws -> Duration { .milliseconds(try DurationText.parse(text, in: 10...60_000)) }

    /// A duration of at least a millisecond.
    static func timeout(_ text: String) throws -> Duration {
        .milliseconds(try DurationText.parse(text, in: 1...86_400_000))
    }

    static func time(_ text: String) throws -> TimePoint { try TimeText.parse(text) }

    static func number(_ text: String, _ allowed: ClosedRange<Int>) throws(Failure) -> Int {
        guard let number = Int(text) else { throw .usage("'\(text.prefix(40))' is not a whole number") }
        guard allowed.contains(number) else {
            throw .usage("\(number) is not allowed: \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        return number
    }

    private static func usage<R>(_ parse: () throws(WeirError) -> R) throws(Failure) -> R {
        do throws(WeirError) {
            return try parse()
        } catch {
            throw .usage(error.message)
        }
    }
}
