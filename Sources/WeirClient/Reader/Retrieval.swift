// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How records come to a reader. Both ways give the same batches, tell of the same gaps and ends, and stop as soon as
/// a lease is lost.
public enum Retrieval: Hashable, Sendable {
    /// The server sends records as soon as they are durable, as far as the reader has room for them.
    case pushed
    /// The reader asks for them, again and again, within the limits that a shard has for all who ask.
    case polled(Polling)
}

/// How a reader asks for the records of a shard. When the shard's rates are used up it waits for them, which is no
/// error.
public struct Polling: Hashable, Sendable {
    public static let idleRange: ClosedRange<Duration> = .milliseconds(10) ... .seconds(60)
    public static let bytesRange = 64 << 10...Limits.getBytesMax

    /// From the beginning of one read of a shard to that of the next, 10 ms to 60 s. A shard of a stream with the
    /// limits of Kinesis answers 5 reads with records a second, of all applications together.
    public var idle: Duration
    /// Records of one read, 1 to 10,000.
    public var recordsPerRead: Int
    /// Bytes of keys and data of one read, 64 KiB to 10 MiB; a single record may be larger.
    public var bytesPerRead: Int

    public init(idle: Duration = .seconds(1), recordsPerRead: Int = 10_000, bytesPerRead: Int = 2 << 20) {
        self.idle = idle
        self.recordsPerRead = recordsPerRead
        self.bytesPerRead = bytesPerRead
    }

    /// Refuses what is outside the ranges above with `invalidArgument`.
    public func validate() throws(WeirError) {
        guard Self.idleRange.contains(self.idle) else {
            throw WeirError(
                .invalidArgument, "an idle time of \(self.idle) between reads is not allowed: 10 ms to 60 s")
        }
        guard (1...Limits.getRecordsMax).contains(self.recordsPerRead) else {
            throw WeirError(
                .invalidArgument,
                "\(self.recordsPerRead) records a read are not allowed: 1 to \(Limits.getRecordsMax)")
        }
        guard Self.bytesRange.contains(self.bytesPerRead) else {
            throw WeirError(
                .invalidArgument,
                "\(self.bytesPerRead) bytes a read are not allowed: \(Self.bytesRange.lowerBound) to "
                    + "\(Self.bytesRange.upperBound)")
        }
    }
}
