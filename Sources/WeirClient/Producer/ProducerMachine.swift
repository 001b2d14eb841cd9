// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// Decides what a producer sends and when, and what became of each record. No I/O, no clock, no randomness.
///
/// The order of a partition key is kept thus. Every record belongs to the *lane* of its shard; a lane's records are
/// sent in order. When records come back the lane is blocked: it waits until nothing of it is under way and until every
/// request up to the last refused one is answered (only then does the server admit the lane again), puts what came back
/// in front, in order, and goes on. A new shard map takes effect only when nothing at all is under way: then all
/// waiting records are routed anew, in order. After a lost connection everything that was under way comes back to its
/// lanes.
///
/// Nothing is tried for ever, and nothing without a pause. Records fail when the server has been silent, or when none
/// was acknowledged, for as long as the configuration says, whatever the server or the network does meanwhile.
package struct ProducerMachine {
    package struct Configuration: Hashable, Sendable {
        package var batchRecords: Int
        /// Bytes of records in stored form in one request; a larger record goes alone.
        package var batchBytes: Int
        package var requestsInFlight: Int
        package var groupRecordsMin: Int
        package var timeoutNanos: UInt64?
        package var progressTimeoutNanos: UInt64?
        package var unknownOutcome: ProducerConfiguration.UnknownOutcome
        package var retry: RetryPolicy

        package init(_ configuration: ProducerConfiguration, retry: RetryPolicy) {
            self.batchRecords = configuration.batchRecords
            self.batchBytes = configuration.batchBytes
            self.requestsInFlight = configuration.requestsInFlight
            self.groupRecordsMin = configuration.groupRecordsMin
            self.timeoutNanos = configuration.timeout?.nanos
            self.progressTimeoutNanos = configuration.progressTimeout?.nanos
            self.unknownOutcome = configuration.unknownOutcome
            self.retry = retry
        }
    }

    let configuration: Configuration

    // The shards
    var map: ShardMap?
    var lanes: [Lane] = []
    /// Lanes that may have something to send, in turn.
    var line = Queue<Int>()
    var blocked: [Int] = []
    /// Whole chunks that came before the first map.
    var unrouted: [Run] = []
    var mapState = MapState.wanted(at: 0)
    /// The newest version that the server has named.
    var mapVersionSeen: UInt64 = 0
    var mapPace = MapPace()

    enum MapState {
        case current
        /// Nothing is sent until a newer map is there. To be fetched at that time, in nanoseconds.
        case wanted(at: UInt64)
        case fetching
        /// Fetched; takes effect when nothing is under way.
        case waiting(ShardMap)
    }

    // Requests
    package internal(set) var isConnected = false
    var frameBytesMax = Limits.frameBytesMax
    /// By sequence, from `firstOutstanding` on without a gap; the first one is not answered.
    var outstanding = Queue<PutRequest>()
    var firstOutstanding: UInt64 = 1
    /// Requests in `outstanding` without an answer.
    package internal(set) var unanswered = 0
    var isOutOfCredit = false

    // Records
    var lastOrdinal: UInt64 = 0
    /// Chunks that are not resolved, by ordinal from `firstHeld` on; resolved ones between them stay until they are
    /// first.
    var held = Queue<Held>()
    var firstHeld: UInt64 = 1
    var heldCount = 0
    /// Resolved chunks to report, in the order in which that happened.
    var completed: [RecordChunk] = []
    /// Resolved records of chunks that report each of them.
    var resolved: [(chunk: RecordChunk, position: Int)] = []
    /// Chunks with failed records whose failure has not been reported.
    var unreportedFailures: Set<UInt64> = []
    /// Those whose lanes are not known any more, so that all lanes wait for the report.
    var commonGates: [UInt64] = []

    struct Held {
        let submittedAt: UInt64
        var isResolved = false
    }

    // Time and end
    var silence = SilenceWatch()
    var obstacles = PutObstacles()
    var connectPace = ConnectPace()
    package internal(set) var failure: WeirError?
    /// The connection is to be closed: the server is silent, or the machine has failed.
    package internal(set) var wantsDisconnect = false

    var scratch = RoutingScratch()

    package init(_ configuration: Configuration) {
        self.configuration = configuration
    }
}

// MARK: - Records come in

extension ProducerMachine {
    /// Takes a sealed chunk. Throws the failure once the machine has failed.
    package mutating func submit(_ chunk: RecordChunk, now: UInt64) throws(WeirError) {
        if let failure { throw failure }
        self.lastOrdinal += 1
        chunk.ordinal = self.lastOrdinal
        chunk.submittedAt = now
        self.held.append(Held(submittedAt: now))
        self.heldCount += 1
        let run = Run(chunk: chunk, start: 0, end: chunk.count)
        if self.map == nil { self.unrouted.append(run) } else { self.route(run) }
        self.noteWaiting(now)
    }

    /// Chunks that are not resolved.
    package var hasUnresolved: Bool { self.heldCount > 0 }

    /// Divides a run among the lanes of the map, in order.
    mutating func route(_ run: Run) {
        guard let map else { return self.unrouted.append(run) }
        if map.shards.count == 1 { return self.enqueue(run, lane: 0) }
        // Out of `self` for as long as it is used, so that enqueueing may change `self`.
        var scratch = RoutingScratch()
        swap(&scratch, &self.scratch)
        scratch.divide(run, by: map) { (lane: Int, part: Run) in self.enqueue(part, lane: lane) }
        swap(&scratch, &self.scratch)
    }

    private mutating func enqueue(_ run: Run, lane: Int) {
        self.lanes[lane].queue.append(run)
        self.putInLine(lane)
    }

    mutating func putInLine(_ lane: Int) {
        guard !self.lanes[lane].isInLine, !self.lanes[lane].isBlocked, !self.lanes[lane].queue.isEmpty else { return }
        self.lanes[lane].isInLine = true
        self.line.append(lane)
    }
}
