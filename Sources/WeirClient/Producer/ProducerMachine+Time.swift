// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

// MARK: - The connection

extension ProducerMachine {
    /// Whether a connection is worth having.
    package var wantsConnection: Bool { !self.isConnected && self.failure == nil }

    /// Hello was answered.
    package mutating func connected(frameBytesMax: Int, now: UInt64) {
        guard self.failure == nil else { return }
        self.isConnected = true
        self.wantsDisconnect = false
        self.isOutOfCredit = false
        self.frameBytesMax = frameBytesMax
        // A server that greets and then never answers a put does not live for ever by greeting.
        if self.hasAnswered { self.silentSince = nil }
        self.hasAnswered = false
        self.noteWaiting(now)
    }

    /// The connection is gone. What was under way may have been stored.
    package mutating func connectionLost(_ error: WeirError, now: UInt64) {
        guard self.isConnected else { return }
        self.isConnected = false
        self.wantsDisconnect = false
        self.isOutOfCredit = false
        if case .fetching = self.mapState { self.mapState = .wanted(at: now) }
        self.giveUpOutstanding(error)
        self.noteWaiting(now)
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
        self.hasAnswered = true
        self.silentSince = nil
        self.noteWaiting(now)
    }

    /// Keeps `silentSince`: whether anything waits for the server now.
    mutating func noteWaiting(_ now: UInt64) {
        let isFetching = if case .fetching = self.mapState { true } else { false }
        let waits = self.unanswered > 0 || (self.heldCount > 0 && (!self.isConnected || isFetching))
        if !waits { self.silentSince = nil } else if self.silentSince == nil { self.silentSince = now }
    }

    /// When `tick` wants to be called, in nanoseconds, if nothing happens before.
    package func nextDeadline(now: UInt64) -> UInt64? {
        guard self.failure == nil else { return nil }
        var next: UInt64?
        func consider(_ at: UInt64) { next = min(next ?? at, at) }
        if self.isConnected {
            if case .wanted(let at) = self.mapState { consider(at) }
            // A lane whose time has come waits for something else, which makes itself known.
            for lane in self.blocked {
                if self.lanes[lane].retryAt > now { consider(self.lanes[lane].retryAt) }
                if let at = self.refusalExpiry(lane) { consider(at) }
            }
        }
        if let at = self.standing.tellAt { consider(at) }
        if let expiry { consider(expiry) }
        return next
    }

    /// When the oldest record that waits will have waited too long.
    private var expiry: UInt64? {
        guard let timeout = self.configuration.timeoutNanos, let silentSince, let oldest = self.held.first else {
            return nil
        }
        return max(silentSince, oldest.submittedAt) + timeout
    }

    /// When the oldest record of a lane that the server refuses will have waited too long. What is under way is waited
    /// for: it comes back soon, one way or the other.
    private func refusalExpiry(_ lane: Int) -> UInt64? {
        guard let timeout = self.configuration.progressTimeoutNanos, self.lanes[lane].outstanding == 0,
            let refusal = self.standing[self.lanes[lane].shard], let oldest = self.lanes[lane].oldestSubmittedAt
        else { return nil }
        return max(refusal.since, oldest) + timeout
    }

    /// What there is to tell beside results since the last call.
    package mutating func takeNotices() -> [ProducerNotice] { self.standing.takeNotices() }

    /// Time has passed. Records that have waited too long fail: for a silent server, or for one that stores nothing.
    package mutating func tick(now: UInt64) {
        guard self.failure == nil else { return }
        self.standing.tell(now: now)
        for lane in self.blocked {
            if let expiry = self.refusalExpiry(lane), expiry <= now { self.expireRefused(lane, now: now) }
        }
        self.expireUnheard(now: now)
    }

    private mutating func expireRefused(_ lane: Int, now: UInt64) {
        guard let timeout = self.configuration.progressTimeoutNanos,
            let refusal = self.standing[self.lanes[lane].shard]
        else { return }
        let error = WeirError(
            refusal.error.code,
            refusal.error.message + "; nothing was stored for \((now - refusal.since) / 1_000_000) ms",
            verdict: refusal.error.verdict)
        let runs = self.lanes[lane].takeAll()
        self.lanes[lane].queue.prepend(runs.filter { $0.chunk.submittedAt + timeout > now })
        for run in runs where run.chunk.submittedAt + timeout <= now { self.fail(run, lane: lane, error) }
        self.noteWaiting(now)
    }

    private mutating func expireUnheard(now: UInt64) {
        guard let timeout = self.configuration.timeoutNanos, let expiry, expiry <= now else {
            return
        }
        var lastExpired = self.firstHeld
        while lastExpired - self.firstHeld + 1 < UInt64(self.held.count),
            self.held[Int(lastExpired - self.firstHeld + 1)].submittedAt + timeout <= now
        {
            lastExpired += 1
        }
        let error = WeirError(
            .timedOut, "the server has not answered for \(timeout / 1_000_000) ms",
            verdict: .init(maybeStored: false, retry: .after(100)))
        if self.unanswered > 0 {
            // What is under way can only be given up together with its connection.
            self.giveUpOutstanding(error)
            self.isConnected = false
            self.wantsDisconnect = true
            if case .fetching = self.mapState { self.mapState = .wanted(at: now) }
        }
        self.expire(through: lastExpired, error)
        self.noteWaiting(now)
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
        self.silentSince = nil
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
