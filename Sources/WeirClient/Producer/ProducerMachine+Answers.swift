// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension ProducerMachine {
    /// The answer to a request. False when it does not fit the request: nothing was changed, the connection is to be
    /// closed.
    package mutating func answered(_ sequence: UInt64, _ answer: PutRecordsAnswerView, now: UInt64) -> Bool {
        guard let request = self.request(sequence), request.isRouted == (answer.recordCount > 0) else { return false }
        guard request.isRouted ? Self.fitsRouted(request, answer) : Self.fitsGrouped(request, answer) else {
            return false
        }
        self.close(request)
        if request.isRouted {
            self.resolveRouted(request, answer, now: now)
        } else {
            self.resolveGrouped(request, answer, now: now)
        }
        if answer.mapVersion > self.mapVersionSeen { self.mapVersionSeen = answer.mapVersion }
        if let map, answer.mapVersion > map.version { self.wantMap(now: now) }
        self.heardFromServer(now: now)
        return true
    }

    /// The request failed as a whole.
    package mutating func refused(_ sequence: UInt64, _ error: WeirError, now: UInt64) {
        guard let request = self.request(sequence) else { return }
        self.close(request)
        for (position, group) in request.groups.enumerated() {
            for run in request.runs(of: position) {
                self.refuse(run, lane: group.lane, error.code, error.verdict, error.message, sequence, now: now)
            }
        }
        self.heardFromServer(now: now)
    }

    private func request(_ sequence: UInt64) -> PutRequest? {
        guard sequence >= self.firstOutstanding, sequence - self.firstOutstanding < UInt64(self.outstanding.count)
        else { return nil }
        let request = self.outstanding[Int(sequence - self.firstOutstanding)]
        return request.isAnswered ? nil : request
    }

    private mutating func close(_ request: PutRequest) {
        for group in request.groups { self.lanes[group.lane].outstanding -= 1 }
        let position = Int(request.sequence - self.firstOutstanding)
        // The records are not held here any longer.
        var answered = PutRequest()
        answered.isAnswered = true
        self.outstanding[position] = answered
        while let first = self.outstanding.first, first.isAnswered {
            _ = self.outstanding.popFirst()
            self.firstOutstanding += 1
        }
        self.unanswered -= 1
        self.isOutOfCredit = false
    }

    // MARK: Grouped

    private static func fitsGrouped(_ request: PutRequest, _ answer: PutRecordsAnswerView) -> Bool {
        var entry = 0
        for group in request.groups {
            var left = group.count
            while left > 0 {
                guard entry < answer.entryCount else { return false }
                left -= Int(answer[entry].count)
                entry += 1
            }
            guard left == 0 else { return false }
        }
        return entry == answer.entryCount
    }

    private mutating func resolveGrouped(_ request: PutRequest, _ answer: PutRecordsAnswerView, now: UInt64) {
        var next = 0
        for (position, group) in request.groups.enumerated() {
            var entry = answer[next]
            var used = 0
            next += 1
            for run in request.runs(of: position) {
                var rest = run
                while rest.count > 0 {
                    if used == Int(entry.count) {
                        entry = answer[next]
                        used = 0
                        next += 1
                    }
                    var part = rest
                    part.end = min(rest.end, rest.start + Int(entry.count) - used)
                    self.settle(part, entry, offset: used, lane: group.lane, request.sequence, now: now)
                    used += part.count
                    rest.start = part.end
                }
            }
        }
    }

    private mutating func settle(
        _ run: Run, _ entry: PutEntry, offset: Int, lane: Int, _ sequence: UInt64, now: UInt64
    ) {
        switch entry.outcome {
        case .stored(let position):
            let slot = run.chunk.slot(entry.shard, position)
            run.chunk.store(run, slot: slot, firstIndex: position.firstIndex + UInt64(offset))
            self.obstacles.stored(lane)
            self.lanes[lane].pace.stored()
            self.connectPace.stored()
            self.mapPace.stored()
            self.settled(run)
        case .refused(let code, let verdict):
            self.refuse(run, lane: lane, code, verdict, nil, sequence, now: now)
        }
    }

    // MARK: Routed by the server

    private static func fitsRouted(_ request: PutRequest, _ answer: PutRecordsAnswerView) -> Bool {
        guard answer.recordCount == request.count else { return false }
        var counts = [UInt32](repeating: 0, count: answer.entryCount)
        for record in 0..<answer.recordCount { counts[answer.entryPosition(ofRecord: record)] += 1 }
        return (0..<answer.entryCount).allSatisfy { answer[$0].count == counts[$0] }
    }

    private mutating func resolveRouted(_ request: PutRequest, _ answer: PutRecordsAnswerView, now: UInt64) {
        var used = [Int](repeating: 0, count: answer.entryCount)
        var record = 0
        for (position, group) in request.groups.enumerated() {
            for run in request.runs(of: position) {
                var rest = run
                while rest.count > 0 {
                    // Neighbours with the same entry are settled together.
                    let entry = answer.entryPosition(ofRecord: record)
                    var part = rest
                    part.end = rest.start + 1
                    while part.end < rest.end, answer.entryPosition(ofRecord: record + part.count) == entry {
                        part.end += 1
                    }
                    self.settle(
                        part, answer[entry], offset: used[entry], lane: group.lane, request.sequence, now: now)
                    used[entry] += part.count
                    record += part.count
                    rest.start = part.end
                }
            }
        }
    }

    // MARK: Refusals and failures

    private mutating func refuse(
        _ run: Run, lane: Int, _ code: WeirError.Code, _ verdict: WeirError.Verdict, _ message: String?,
        _ sequence: UInt64, now: UInt64
    ) {
        var run = run
        run.maybeStored = run.maybeStored || verdict.maybeStored
        if let failure { return self.fail(run, lane: nil, failure) }
        switch self.configuration.retry.disposition(code, verdict, unknown: self.configuration.unknownOutcome) {
        case .again(let millis):
            let pause = self.lanes[lane].pace.refused(afterMillis: millis, self.configuration.retry)
            let retryAt = pause == 0 ? 0 : now + pause
            let why = message ?? PutRefusal.message(code, shard: self.lanes[lane].shard)
            switch code {
            case .throughputExceeded:
                self.obstacles.throttled(lane, from: max(now, self.lanes[lane].retryAt), through: retryAt)
            case .behind:
                // The order of what was refused for another reason; but now all of that is answered.
                guard self.lanes[lane].pace.isFruitless else { break }
                self.obstacles.refused(
                    lane, WeirError(.unavailable, "the server refuses what is in order: \(why)"), now: now)
            default: self.obstacles.refused(lane, WeirError(code, why, verdict: verdict), now: now)
            }
            self.lanes[lane].returned.append(run)
            self.block(lane, through: sequence, retryAt: retryAt)
        case .refreshMap:
            let why = message ?? PutRefusal.message(code, shard: self.lanes[lane].shard)
            self.obstacles.refused(lane, WeirError(.unavailable, why), now: now)
            self.lanes[lane].returned.append(run)
            self.block(lane, through: sequence, retryAt: 0)
            self.wantMap(now: now)
        case .fail:
            let shard = self.lanes[lane].shard
            self.block(lane, through: sequence, retryAt: 0)
            self.fail(
                run, lane: lane,
                WeirError(code, message ?? PutRefusal.message(code, shard: shard), verdict: verdict))
        case .stop:
            let shard = self.lanes[lane].shard
            self.lanes[lane].returned.append(run)
            self.fail(WeirError(code, message ?? PutRefusal.message(code, shard: shard), verdict: verdict))
        }
    }

    /// The records of a run fail, and the lane lets nothing younger pass before that is reported.
    mutating func fail(_ run: Run, lane: Int?, _ error: WeirError) {
        if let lane {
            self.unreportedFailures.insert(run.chunk.ordinal)
            self.lanes[lane].gates.removeAll { !self.unreportedFailures.contains($0) }
            if self.lanes[lane].gates.last != run.chunk.ordinal { self.lanes[lane].gates.append(run.chunk.ordinal) }
        }
        var error = error
        if run.maybeStored, !error.verdict.maybeStored {
            error = WeirError(
                error.code, error.message + "; an earlier attempt may have stored the record",
                verdict: .init(maybeStored: true, retry: error.verdict.retry))
        }
        run.chunk.fail(run, error)
        self.settled(run)
    }

    /// Records of a run have their results.
    private mutating func settled(_ run: Run) {
        let chunk = run.chunk
        if chunk.reportsEachRecord {
            for slot in run.start..<run.end { self.resolved.append((chunk, Int(chunk.order[slot]))) }
        }
        guard chunk.unresolved == 0 else { return }
        self.completed.append(chunk)
        self.heldCount -= 1
        self.held[Int(chunk.ordinal - self.firstHeld)].isResolved = true
        while let first = self.held.first, first.isResolved {
            _ = self.held.popFirst()
            self.firstHeld += 1
        }
    }

    // MARK: Reporting

    /// Chunks whose records all have results, and records of those that report each one, since the last call. Every
    /// chunk is to be reported, and then given to `reported`.
    package mutating func takeCompleted() -> (chunks: [RecordChunk], records: [(chunk: RecordChunk, position: Int)]) {
        guard !self.completed.isEmpty || !self.resolved.isEmpty else { return ([], []) }
        defer {
            self.completed.removeAll(keepingCapacity: true)
            self.resolved.removeAll(keepingCapacity: true)
        }
        return (self.completed, self.resolved)
    }

    /// The results of the chunk with this ordinal have been given to whoever gave the records.
    package mutating func reported(_ ordinal: UInt64) {
        guard !self.unreportedFailures.isEmpty else { return }
        self.unreportedFailures.remove(ordinal)
    }
}

extension RecordChunk {
    /// A slot for records that were stored together.
    func slot(_ shard: ShardNumber, _ position: PutEntry.Position) -> Int32 {
        self.slots.append(
            .stored(
                shard: shard, creationSecond: position.shardCreationSecond,
                arrivalSecond: UInt64(max(0, position.arrivalMillis)) / 1000))
        return Int32(self.slots.count - 1)
    }

    func store(_ run: Run, slot: Int32, firstIndex: UInt64) {
        var index = firstIndex
        self.order.withUnsafeBufferPointer { order in
            self.entries.withUnsafeMutableBufferPointer { entries in
                for place in run.start..<run.end {
                    entries[Int(order[place])] = PutResults.Entry(index: index, slot: slot)
                    index += 1
                }
            }
        }
        self.unresolved -= run.count
        self.stored += run.count
    }

    func fail(_ run: Run, _ error: WeirError) {
        self.slots.append(.failed(error))
        let slot = Int32(self.slots.count - 1)
        for place in run.start..<run.end {
            self.entries[Int(self.order[place])] = PutResults.Entry(index: 0, slot: slot)
        }
        self.unresolved -= run.count
    }
}
