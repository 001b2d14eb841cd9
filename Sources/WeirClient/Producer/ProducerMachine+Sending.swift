// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension ProducerMachine {
    /// No chunk is larger, however many shards there are.
    static let chunkRecordsMax = 8192

    /// How many records to gather before they are submitted. What waits for its turn anyway is gathered until each
    /// shard would have a group, so that requests hold few large groups, not many small ones.
    var chunkRecords: Int {
        guard !self.line.isEmpty, let shards = self.map?.shards.count else { return self.configuration.batchRecords }
        let gathered = min(shards * self.configuration.groupRecordsMin, Self.chunkRecordsMax)
        return max(gathered, self.configuration.batchRecords)
    }

    /// Requests that may follow the first one without an answer, so that one slow answer does not let the list grow.
    static let outstandingSpanMax = 4096

    /// The next request to send now; `nil` when there is nothing or it may not be. Requests are sent in the order in
    /// which they are given out. `mayPut` says whether the connection has credit for so many payload bytes.
    package mutating func nextRequest(now: UInt64, mayPut: (Int) -> Bool) -> PutRequest? {
        guard self.isConnected, self.failure == nil, self.adoptMap(now: now) else { return nil }
        guard self.unanswered < self.configuration.requestsInFlight, !self.isOutOfCredit,
            self.outstanding.count < Self.outstandingSpanMax
        else { return nil }
        if !self.blocked.isEmpty { self.unblock(now: now) }
        guard !self.line.isEmpty else { return nil }
        var request = self.form()
        while request.count > 0, request.payloadBytes > self.frameBytesMax {
            self.failTooLarge(request)
            request = self.form()
        }
        guard request.count > 0 else { return nil }
        guard mayPut(request.payloadBytes) else {
            self.takeBack(request)
            // Each answer gives credit back; without one under way it is worth asking again.
            self.isOutOfCredit = self.unanswered > 0
            return nil
        }
        request.sequence = self.firstOutstanding + UInt64(self.outstanding.count)
        request.seenThrough = self.firstOutstanding - 1
        request.mapVersion = self.map?.version ?? 0
        for group in request.groups { self.lanes[group.lane].outstanding += 1 }
        self.outstanding.append(request)
        self.unanswered += 1
        self.noteWaiting(now)
        return request
    }

    // MARK: Lanes

    mutating func block(_ lane: Int, through sequence: UInt64, retryAt: UInt64) {
        self.lanes[lane].blockedThrough = max(self.lanes[lane].blockedThrough, sequence)
        self.lanes[lane].retryAt = max(self.lanes[lane].retryAt, retryAt)
        self.markBlocked(lane)
    }

    private mutating func markBlocked(_ lane: Int) {
        guard !self.lanes[lane].isBlocked else { return }
        self.lanes[lane].isBlocked = true
        self.blocked.append(lane)
    }

    /// Lanes whose refusals have all been answered, and whose time has come, go on from the oldest record.
    private mutating func unblock(now: UInt64) {
        var remaining: [Int] = []
        for lane in self.blocked {
            let mayGoOn =
                self.lanes[lane].outstanding == 0 && self.firstOutstanding > self.lanes[lane].blockedThrough
                && self.lanes[lane].retryAt <= now
            if mayGoOn { self.lanes[lane].restore() }
            guard mayGoOn, !self.isGated(lane) else {
                remaining.append(lane)
                continue
            }
            self.lanes[lane].isBlocked = false
            self.lanes[lane].pace.goesOn()
            self.putInLine(lane)
        }
        self.blocked = remaining
    }

    /// Whether the lane's next record is younger than a failure that has not been reported.
    private func isGated(_ lane: Int) -> Bool {
        guard !self.unreportedFailures.isEmpty, let next = self.lanes[lane].queue.first else { return false }
        func closes(_ gate: UInt64) -> Bool {
            gate < next.chunk.ordinal && self.unreportedFailures.contains(gate)
        }
        return self.lanes[lane].gates.contains(where: closes) || self.commonGates.contains(where: closes)
    }

    mutating func gateAll(_ ordinals: [UInt64]) {
        self.commonGates.removeAll { !self.unreportedFailures.contains($0) }
        for ordinal in ordinals
        where self.unreportedFailures.contains(ordinal) && !self.commonGates.contains(ordinal) {
            self.commonGates.append(ordinal)
        }
    }

    // MARK: Forming

    private mutating func form() -> PutRequest {
        var request = PutRequest()
        let frameRoom = self.frameBytesMax - PutRecords.headerBytes
        while request.count < self.configuration.batchRecords, let lane = self.line.first {
            let room = min(
                self.configuration.batchBytes - request.bytes,
                frameRoom - request.bytes - (request.groups.count + 1) * PutRequest.groupOverhead)
            let isFull = !self.take(from: lane, into: &request, room: room)
            _ = self.line.popFirst()
            self.lanes[lane].isInLine = false
            self.putInLine(lane)
            if isFull { break }
        }
        request.isRouted =
            request.groups.count > 1
            && request.count < request.groups.count * self.configuration.groupRecordsMin
        return request
    }

    /// Takes what fits of one lane as a group; false when the request is full.
    private mutating func take(from lane: Int, into request: inout PutRequest, room: Int) -> Bool {
        guard !self.lanes[lane].isBlocked else { return true }
        var group = PutRequest.Group(
            lane: lane, shard: self.lanes[lane].shard, count: 0, bytes: 0, runsEnd: request.runs.count)
        var isFull = false
        while !isFull, let run = self.lanes[lane].queue.first {
            if self.isGated(lane) {
                self.markBlocked(lane)
                break
            }
            let isFirst = request.count == 0 && group.count == 0
            let (count, bytes) = Self.fitting(
                run, records: self.configuration.batchRecords - request.count - group.count,
                bytes: room - group.bytes, atLeastOne: isFirst)
            isFull = count < run.count
            guard count > 0 else { break }
            var taken = run
            taken.end = run.start + count
            request.runs.append(taken)
            group.count += count
            group.bytes += bytes
            if isFull { self.lanes[lane].queue[0].start += count } else { _ = self.lanes[lane].queue.popFirst() }
        }
        guard group.count > 0 else { return !isFull }
        group.runsEnd = request.runs.count
        request.groups.append(group)
        request.count += group.count
        request.bytes += group.bytes
        return !isFull
    }

    /// How many records of a run fit, and their bytes.
    private static func fitting(_ run: Run, records: Int, bytes: Int, atLeastOne: Bool) -> (Int, Int) {
        if run.count <= records {
            let all = run.storedBytes()
            if all <= bytes { return (run.count, all) }
        }
        var count = 0
        var used = 0
        while count < min(run.count, records) {
            let next = run.chunk.records.bytes(at: Int(run.chunk.order[run.start + count]))
            guard used + next <= bytes || (atLeastOne && count == 0) else { break }
            used += next
            count += 1
        }
        return (count, used)
    }

    /// A single record that no frame can hold.
    private mutating func failTooLarge(_ request: PutRequest) {
        for (position, group) in request.groups.enumerated() {
            for run in request.runs(of: position) {
                self.fail(
                    run, lane: group.lane,
                    WeirError(
                        .recordTooLarge,
                        "a put of \(request.payloadBytes) bytes; the server takes at most \(self.frameBytesMax)"))
            }
        }
    }

    /// The request is not sent: its records go back in front of their lanes.
    private mutating func takeBack(_ request: PutRequest) {
        for (position, group) in request.groups.enumerated() {
            self.lanes[group.lane].queue.prepend(Array(request.runs(of: position)))
            self.putInLine(group.lane)
        }
    }
}
