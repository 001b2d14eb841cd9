// SPDX-License-Identifier: Apache-2.0
import Logging
import WeirClient
import WeirModel

/// What becomes of records that a processor throws for.
public struct ProcessorRetry: Hashable, Sendable {
    public enum Exhausted: Hashable, Sendable {
        /// The shard stands still on this worker, which keeps its lease; the others go on. `WorkerStatus` counts it,
        /// and the next worker that gets the shard, or this one when it starts again, tries again. A worker whose
        /// shards all stand still for a session timeout ends: `Worker.run` throws.
        case stopShard
        /// The records are given one by one, with as many attempts each; one that fails is put into this stream with
        /// its cause, and processing goes on behind it.
        case deadLetter(StreamName)
    }

    /// Pause before the second attempt, at least 1 ms. Doubles with each further one.
    public var from: Duration
    /// No pause is longer.
    public var to: Duration
    /// Attempts, the first one included, 1 to 1,000,000.
    public var attempts: Int
    public var exhausted: Exhausted

    public init(
        from: Duration = .milliseconds(100), to: Duration = .seconds(10), attempts: Int = 5,
        exhausted: Exhausted = .stopShard
    ) {
        self.from = from
        self.to = to
        self.attempts = attempts
        self.exhausted = exhausted
    }

    func validate() throws(WeirError) {
        guard self.from >= .milliseconds(1), self.to >= self.from, self.to <= .seconds(86_400) else {
            throw WeirError(
                .invalidArgument,
                "pauses of \(self.from) to \(self.to) are not allowed: the first is at least 1 ms and not above the "
                    + "longest, which is at most a day")
        }
        guard (1...1_000_000).contains(self.attempts) else {
            throw WeirError(.invalidArgument, "\(self.attempts) attempts are not allowed: 1 to 1000000")
        }
    }

    /// The pauses as the client makes its own.
    var policy: RetryPolicy {
        RetryPolicy(
            firstPauseMillis: UInt32(clamping: max(1, self.from.nanos / 1_000_000)),
            longestPauseMillis: UInt32(clamping: max(1, self.to.nanos / 1_000_000)))
    }
}

/// How a worker works.
public struct WorkerConfiguration: Sendable {
    public enum Checkpoints: Hashable, Sendable {
        /// After each call of `processRecords` that returns. Does not wait for them to be stored: one is under way at
        /// a time, and what has been processed meanwhile goes with the next one.
        case automatic
        /// Only those that the processor asks for.
        case manual
    }

    public var application: ApplicationName
    /// Must be another one for each worker that is alive.
    public var worker: WorkerID
    /// How long the worker may be unheard before its shards go to others, 1 to 300 s.
    public var sessionTimeout: Duration
    /// Where to begin when the application does not exist yet.
    public var initialPosition: StreamStart
    public var checkpoints: Checkpoints
    /// Records of one call, 1 to 10,000.
    public var recordsPerCall: Int
    /// Bytes that may be fetched ahead for one shard, 64 KiB to 256 MiB. Of a worker that polls, `Polling` says it.
    public var prefetchBytes: Int
    /// Whether the server sends the records, or the worker asks for them within the limits that all who ask share.
    public var retrieval: Retrieval
    public var retry: ProcessorRetry
    /// Read as this registered consumer, with its own budget. Not for a worker that polls.
    public var consumer: ConsumerName?
    /// How long processors may take to finish at shutdown; then the worker leaves, so that others go on, and cancels
    /// their tasks.
    public var drainTimeout: Duration
    /// How long the server may be away before `run` fails with what was wrong; `nil`: for ever.
    public var patience: Duration?
    public var logger: Logger?

    public init(
        application: ApplicationName, worker: WorkerID = .generated(),
        sessionTimeout: Duration = Limits.sessionTimeoutDefault,
        initialPosition: StreamStart = .trimHorizon, checkpoints: Checkpoints = .automatic,
        recordsPerCall: Int = 10_000, prefetchBytes: Int = 1 << 20, retry: ProcessorRetry = ProcessorRetry(),
        consumer: ConsumerName? = nil, drainTimeout: Duration = .seconds(30), patience: Duration? = nil,
        retrieval: Retrieval = .pushed, logger: Logger? = nil
    ) {
        self.application = application
        self.worker = worker
        self.sessionTimeout = sessionTimeout
        self.initialPosition = initialPosition
        self.checkpoints = checkpoints
        self.recordsPerCall = recordsPerCall
        self.prefetchBytes = prefetchBytes
        self.retrieval = retrieval
        self.retry = retry
        self.consumer = consumer
        self.drainTimeout = drainTimeout
        self.patience = patience
        self.logger = logger
    }

    /// Refuses what is outside the ranges above with `invalidArgument`.
    public func validate() throws(WeirError) {
        let millis = Int(clamping: self.sessionTimeout.nanos / 1_000_000)
        try Self.check(millis, Limits.sessionTimeoutMillis, "session timeout in milliseconds")
        try Self.check(self.recordsPerCall, 1...Limits.getRecordsMax, "number of records a call")
        try Self.check(self.prefetchBytes, 64 << 10...256 << 20, "number of bytes to fetch ahead")
        try self.retry.validate()
        guard case .polled(let polling) = self.retrieval else { return }
        try polling.validate()
        if let consumer {
            throw WeirError(
                .invalidArgument,
                "the consumer '\(consumer)' has a budget for what is pushed to it: a worker that polls has none")
        }
    }

    private static func check(_ value: Int, _ allowed: ClosedRange<Int>, _ name: String) throws(WeirError) {
        guard allowed.contains(value) else {
            throw WeirError(
                .invalidArgument,
                "a \(name) of \(value) is not allowed: \(allowed.lowerBound) to \(allowed.upperBound)")
        }
    }
}

extension WorkerID {
    /// Host, process and a random number: another one each time.
    public static func generated() -> WorkerID {
        let visible = ProcessIdentity.hostName.unicodeScalars.filter { (33...126).contains($0.value) }
        let host = String(String.UnicodeScalarView(visible.prefix(200)))
        let random = String(UInt32.random(in: .min ... .max), radix: 16)
        let text = "\(host.isEmpty ? "worker" : host)-\(ProcessIdentity.number)-\(random)"
        guard let id = try? WorkerID(text) else { preconditionFailure("a generated worker id is valid: \(text)") }
        return id
    }
}
