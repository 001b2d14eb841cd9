// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

// MARK: - The connection

extension ProducerMachine {
    /// Whether a connection is worth having.
    package var wantsConnection: Bool { !self.isConnected && self.failure == nil }

    /// When the next attempt to connect may begin, in nanoseconds: until a record is acknowledged, after pauses that
    /// grow. `dice` is uniform over all of `UInt64`.
    package func connectAt(dice: UInt64) -> UInt64 {
        self.connectPace.earliest(self.configuration.retry, dice: dice)
    }

    /// An attempt to connect begins.
    package mutating func connecting(now: UInt64) { self.connectPace.begins(now: now) }

    /// It has failed, and another one may do better.
    package mutating func connectFailed(_ error: WeirError) { self.silence.failed(error) }

    /// Hello was answered.
    package mutating func connected(frameBytesMax: Int, now: UInt64) {
        guard self.failure == nil else { return }
        self.isConnected = true
        self.wantsDisconnect = false
        self.isOutOfCredit = false
        self.frameBytesMax = frameBytesMax
        self.silence.greeted()
        self.noteWaiting(now)
    }

    /// The connection is gone. What was under way may have been stored.
    package mutating func connectionLost(_ error: WeirError, now: UInt64) {
        guard self.isConnected else { return }
        self.wantsDisconnect = false
        self.isOutOfCredit = false
        self.lose(error, now: now)
        self.noteWaiting(now)
    }

    private mutating func lose(_ error: WeirError, now: UInt64) {
        self.isConnected = false
        self.silence.failed(error)
        if case .fetching = self.mapState { self.mapState = .wanted(at: now) }
        if self.heldCount > 0 {
            let asked = self.unanswered == 0 ? [] : self.lanes.indices.filter { self.lanes[$0].outstanding > 0 }
            self.obstacles.lost(asked, error, now: now)
        }
        self.giveUpOutstanding(error)
    }

    /// It is not possible to connect, and never will be.
    package mutating func connectionRefused(_ error: WeirError, now: UInt64) {
        self.fail(error)
    }

    private mutating func giveUpOutstanding(_ error: WeirError) {
        for request in self.takeOutstanding() {
            for (position, group) in request.groups.enumerated() {
                self.lanes[group.lane].outstanding -= 1
                self.block(group.lane, through: request.sequence, retryAt: 0)
                for run in request.runs(of: position) {
                    var run = run
                    run.maybeStored = true
                    switch self.configuration.unknownOutcome {
                    case .resend: self.lanes[group.lane].returned.append(run)
                    case .fail:
                        self.fail(
                            run, lane: group.lane,
                            WeirError(
                                .outcomeUnknown,
                                "the connection was lost before the answer: \(error.message)"))
                    }
                }
            }
        }
    }

    /// The requests without an answer, in their order; none is under way then.
    private mutating func takeOutstanding() -> [PutRequest] {
        self.firstOutstanding += UInt64(self.outstanding.count)
        self.unanswered = 0
        return self.outstanding.removeAll().filter { !$0.isAnswered }
    }
}

// MARK: - Time

extension ProducerMachine {
    /// Something was heard of the server: the time that records may wait begins anew.
    mutating func heardFromServer(now: UInt64) {
        self.silence.heard()
        self.noteWaiting(now)
    }

    /// Keeps `silence`: whether anything waits for the server now.
    mutating func noteWaiting(_ now: UInt64) {
        let isFetching = if case .fetching = self.mapState { true } else { false }
        if self.unanswered > 0 || (self.heldCount > 0 && (!self.isConnected || isFetching)) {
            self.silence.waits(now: now)
        } else if self.heldCount > 0 {
            self.silence.pauses(now: now)
        } else {
            self.silence.ends()
        }
    }

    /// When `tick` wants to be called, in nanoseconds, if nothing happens before.
    package func nextDeadline(now: UInt64) -> UInt64? {
        guard self.failure == nil else { return nil }
        var next: UInt64?
        func consider(_ at: UInt64) { next = min(next ?? at, at) }
        if self.isConnected {
            if case .wanted(let at) = self.mapState { consider(at) }
            // A lane whose time has come waits for something else, which makes itself known.
            for lane in self.blocked where self.lanes[lane].retryAt > now { consider(self.lanes[lane].retryAt) }
        }
        guard self.heldCount > 0 else { return next }
        for lane in self.obstacles.positions {
            if let at = self.expiry(ofLane: lane) { consider(at) }
        }
        for at in [self.obstacles.tellAt, self.fruitlessExpiry, self.expiry] { if let at { consider(at) } }
        return next
    }

    /// When the oldest record that waits will have waited too long.
    private var expiry: UInt64? {
        guard let timeout = self.configuration.timeoutNanos, let since = self.silence.since,
            let oldest = self.held.first
        else { return nil }
        return max(since, oldest.submittedAt) + timeout
    }

    /// When the oldest record of a lane that is tried in vain will have waited too long. What is under way is waited
    /// for: it comes back soon, one way or the other.
    private func expiry(ofLane lane: Int) -> UInt64? {
        guard let timeout = self.configuration.progressTimeoutNanos, self.lanes[lane].outstanding == 0,
            let obstacle = self.obstacles[lane], let oldest = self.lanes[lane].oldestSubmittedAt
        else { return nil }
        return max(obstacle.since, oldest) + timeout
    }

    /// When the oldest record of all will have waited too long while something was tried in vain and no lane had
    /// anything acknowledged: also one that never came as far as to be sent.
    private var fruitlessExpiry: UInt64? {
        guard let timeout = self.configuration.progressTimeoutNanos, self.unanswered == 0,
            let obstacle = self.obstacles.all, let oldest = self.held.first
        else { return nil }
        return max(obstacle.since, oldest.submittedAt) + timeout
    }

    /// What there is to tell beside results since the last call.
    package mutating func takeNotices() -> [ProducerNotice] { self.obstacles.takeNotices() }

    /// Time has passed. Records that have waited too long fail: for a silent server, or because none was acknowledged.
    package mutating func tick(now: UInt64) {
        guard self.failure == nil, self.heldCount > 0 else { return }
        self.obstacles.tell(now: now)
        let due = self.obstacles.positions.filter { self.expiry(ofLane: $0) ?? .max <= now }
        for lane in due.sorted() { self.expireLane(lane, now: now) }
        if let timeout = self.configuration.progressTimeoutNanos, let expiry = self.fruitlessExpiry, expiry <= now,
            let obstacle = self.obstacles.all
        {
            self.expire(through: self.lastWaiting(since: timeout, now: now), obstacle.failure(now: now))
            self.noteWaiting(now)
        }
        self.expireUnheard(now: now)
    }

    private mutating func expireLane(_ lane: Int, now: UInt64) {
        guard let timeout = self.configuration.progressTimeoutNanos, let obstacle = self.obstacles[lane] else { return }
        let error = obstacle.failure(now: now)
        let runs = self.lanes[lane].takeAll()
        self.lanes[lane].queue.prepend(runs.filter { $0.chunk.submittedAt + timeout > now })
        for run in runs where run.chunk.submittedAt + timeout <= now { self.fail(run, lane: lane, error) }
        self.noteWaiting(now)
    }

    private mutating func expireUnheard(now: UInt64) {
        guard let timeout = self.configuration.timeoutNanos, let expiry, expiry <= now else {
            return
        }
        let lastExpired = self.lastWaiting(since: timeout, now: now)
        let why = self.silence.reason.map { ": \($0.message)" } ?? ""
        let error = WeirError(
            .timedOut, "the server has not answered for \(timeout / 1_000_000) ms\(why)",
            verdict: .init(maybeStored: false, retry: .after(millis: 100)))
        if self.unanswered > 0 {
            // What is under way can only be given up together with its connection.
            self.lose(error, now: now)
            self.wantsDisconnect = true
        }
        self.expire(through: lastExpired, error)
        self.noteWaiting(now)
    }

    /// The ordinal of the last chunk that has waited for so long, at least that of the first one that waits.
    private func lastWaiting(since timeout: UInt64, now: UInt64) -> UInt64 {
        var last = self.firstHeld
        while last - self.firstHeld + 1 < UInt64(self.held.count),
            self.held[Int(last - self.firstHeld + 1)].submittedAt + timeout <= now
        {
            last += 1
        }
        return last
    }

    private mutating func expire(through ordinal: UInt64, _ error: WeirError) {
        for lane in self.lanes.indices {
            guard !self.lanes[lane].queue.isEmpty || !self.lanes[lane].returned.isEmpty else { continue }
            let runs = self.lanes[lane].takeAll()
            self.lanes[lane].queue.prepend(runs.filter { $0.chunk.ordinal > ordinal })
            for run in runs where run.chunk.ordinal <= ordinal { self.fail(run, lane: lane, error) }
        }
        let unrouted = self.unrouted
        self.unrouted = unrouted.filter { $0.chunk.ordinal > ordinal }
        for run in unrouted where run.chunk.ordinal <= ordinal {
            self.unreportedFailures.insert(run.chunk.ordinal)
            self.gateAll([run.chunk.ordinal])
            self.fail(run, lane: nil, error)
        }
    }

    /// Nothing is sent any more: every record without a result fails.
    package mutating func fail(_ error: WeirError) {
        guard self.failure == nil else { return }
        self.failure = error
        self.giveUpOutstandingToLanes()
        for lane in self.lanes.indices {
            for run in self.lanes[lane].takeAll() { self.fail(run, lane: nil, error) }
        }
        for run in self.unrouted { self.fail(run, lane: nil, error) }
        self.unrouted = []
        self.isConnected = false
        self.wantsDisconnect = true
        self.silence.ends()
    }

    private mutating func giveUpOutstandingToLanes() {
        for request in self.takeOutstanding() {
            for (position, group) in request.groups.enumerated() {
                self.lanes[group.lane].outstanding -= 1
                for run in request.runs(of: position) {
                    var run = run
                    run.maybeStored = true
                    self.lanes[group.lane].returned.append(run)
                }
            }
        }
    }
}
