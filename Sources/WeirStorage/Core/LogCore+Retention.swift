// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

extension Hidden {
    func hides(_ segment: Segment) -> Bool { self.hides(segmentEnd: segment.last.lsn) }

    /// Whether nothing of a shard's stretch is visible.
    func hides(_ run: ShardState.Run) -> Bool {
        self.hides(lastArrivalMillis: run.lastArrivalMillis, segmentEnd: run.segment.last.lsn)
    }
}

extension StreamState {
    var kept: KeptRecords {
        KeptRecords(
            stream: self.id, retentionMillis: self.settings.retentionMillis, horizonMillis: self.horizonMillis,
            capped: LSN(self.cappedPosition))
    }
}

extension LogCore {
    /// What retention, trims and the size cap hide of a stream.
    func hidden(of stream: StreamState, nowMillis: Int64) -> Hidden {
        self.retention.hidden(of: stream.kept, nowMillis: nowMillis)
    }

    /// Looks at the clocks, as `retain` does too.
    package func watchClock(_ now: LogTime.Moment) { self.retention.time.observe(now) }

    /// Whether the wall clock is ahead of what is believed of it: it hides, and destroys nothing.
    package func doubtsClock(_ wallMillis: Int64) -> Bool { self.retention.doubtsClock(wallMillis) }

    /// Seconds-scale upkeep: size caps, expired closed shards, segments whose records are all gone. `space` is that of
    /// the disk now, when it could be asked. Returns what the clock holds back.
    @discardableResult
    package func retain(_ now: LogTime.Moment, space: (free: Int64, total: Int64)?) -> LogTime.HeldBack? {
        self.retention.look(now)
        if let space { self.files.disk = DiskSpace(free: space.free, total: space.total) }
        self.upkeep.footers.tick()
        self.snapshots.tick()
        self.files.tick()
        self.files.resume()
        guard case .serving = self.state else { return self.retention.time.heldBack }
        self.capSizes(nowMillis: now.wallMillis)
        for command in self.catalog.expirable(nowMillis: self.retention.time.destroying(now.wallMillis)) {
            _ = try? self.submit(command, nowMillis: now.wallMillis)
        }
        self.reclaimDropped()
        self.dropSegments(nowMillis: now.wallMillis)
        // A log that takes no puts, because it is full or because nobody sends any, closes no commit of itself.
        if self.snapshots.capturesNext, self.commits.pipeline.isIdle, self.commits.open.isEmpty { self.closeOpen() }
        return self.retention.time.heldBack
    }

    /// What an event of an operator's command changes of the waits before deletion.
    func noteDeletable(_ event: CatalogEvent, of command: CatalogCommand) {
        switch (command, event) {
        case (.trimStream, .horizonRaised(let raised)):
            self.retention.waits.trim(raised.stream, before: raised.horizonMillis)
        case (_, .streamDeleted): self.retention.waits.forget(event.stream)
        default: break
        }
    }

    private func capSizes(nowMillis: Int64) {
        if let active = self.active { self.noteSizes(of: active, isFull: false) }
        let isShort = self.files.isShortOfSpace
        for id in self.retention.capped.look(isShortOfSpace: isShort) {
            guard let maxBytes = self.catalog.stream(id)?.settings.maxBytes else { continue }
            let cap = SizeCap(maxBytes: maxBytes, isShortOfSpace: isShort)
            let taken = self.retention.capped.taken(of: id, by: cap) { order in
                self.segment(order: order).map { self.isFinished($0) } ?? false
            }
            guard let taken, let segment = self.segment(order: taken) else { continue }
            do throws(WeirError) {
                try self.cap(id, upTo: segment.last.lsn, nowMillis: nowMillis)
                self.retention.capped.take(id, upTo: taken)
            } catch {
                self.retention.capped.retry(id)
            }
        }
    }

    func segment(order: UInt64) -> Segment? {
        var (low, high) = (0, self.segments.count)
        while low < high {
            let middle = (low + high) / 2
            if self.segments[middle].header.order < order { low = middle + 1 } else { high = middle }
        }
        return low < self.segments.count && self.segments[low].header.order == order ? self.segments[low] : nil
    }

    /// What streams with a maximum size take in a segment that grows, or has just filled up.
    func noteSizes(of segment: Segment, isFull: Bool) {
        for (stream, share) in segment.streams {
            self.retention.capped.note(stream, .init(order: segment.header.order, bytes: share.bytes), isFull: isFull)
        }
    }

    /// What an event changes of maximum sizes.
    func noteCap(_ event: CatalogEvent) {
        switch event {
        case .streamCreated, .streamUpdated: self.trackCap(of: event.stream)
        case .streamDeleted: self.retention.capped.forget(event.stream)
        case .streamCapped, .horizonRaised, .resharded, .shardsExpired, .attributesChanged: break
        }
    }

    /// What age hides counts too as long as it takes space.
    func trackCap(of id: StreamID) {
        guard let stream = self.catalog.stream(id), stream.settings.maxBytes != nil else {
            return self.retention.capped.forget(id)
        }
        let shares = self.segments.compactMap { segment -> CappedStreams.Share? in
            guard segment.last.lsn.rawValue > stream.cappedPosition else { return nil }
            return segment.streams[id].map { .init(order: segment.header.order, bytes: $0.bytes) }
        }
        self.retention.capped.track(id, shares)
    }

    /// Its streams were deleted or have a size cap that took it, so it only waits to be dropped. By age others do too.
    func isBeyondCaps(_ segment: Segment) -> Bool {
        segment.isFull
            && segment.streams.allSatisfy { id, _ in
                self.catalog.stream(id).map { segment.last.lsn.rawValue <= $0.cappedPosition } ?? true
            }
    }

    /// No commit of it is on its way: its last one stays the last, so a position at its end hides all of it for ever.
    func isFinished(_ segment: Segment) -> Bool {
        segment !== self.active && segment.isFull && !self.commits.writes(to: segment)
    }

    /// Announces the end of segments in which nothing lives any more. They are used again when that is durable.
    private func dropSegments(nowMillis: Int64) {
        let safe = self.snapshots.covered(durable: self.durableLSN)
        // What stands behind the end of a segment is void by the cut of a later term, and cuts stand in headers. So a
        // segment whose end is not final keeps the headers of all later terms; those of its own term may go.
        var unended: UInt64?
        var waitsForSnapshots = false
        var dropped: Set<UInt64> = []
        for segment in self.segments where segment !== self.active && segment.isFull {
            if let unended, segment.header.term > unended { break }
            let mayGo = (segment.footerWritten || segment.isDamaged) && segment.last.lsn <= safe && segment.pins == 0
            if mayGo, self.isDead(segment, nowMillis: nowMillis) {
                self.files.drop(segment, lsn: self.announceDrop(of: segment))
                dropped.insert(segment.header.order)
                for stream in segment.streams.keys { self.retention.capped.drop(stream, order: segment.header.order) }
                continue
            }
            if segment.last.lsn > safe, self.isDead(segment, nowMillis: nowMillis) { waitsForSnapshots = true }
            if !segment.footerWritten {
                unended = unended ?? segment.header.term
            }
        }
        // Where no puts are taken no segment fills up, and no roll asks for the snapshots that dropping waits for.
        if waitsForSnapshots, self.files.isShortOfSpace { self.snapshots.demand() }
        if !dropped.isEmpty { self.segments.removeAll { dropped.contains($0.header.order) } }
    }

    private func isDead(_ segment: Segment, nowMillis: Int64) -> Bool {
        segment.streams.allSatisfy { id, share in
            guard let stream = self.catalog.stream(id) else { return true }
            return self.retention.mayDelete(
                stream.kept, lastArrivalMillis: share.lastArrivalMillis, segmentEnd: segment.last.lsn,
                nowMillis: nowMillis)
        }
    }

    private func announceDrop(of segment: Segment) -> LSN {
        let event = LogEvent.segmentDropped(file: segment.header.file, useCount: segment.header.useCount)
        self.append(event: event.kind, payload: event.encode())
        return self.commits.open.lsn
    }

    /// Files whose dropping is durable and that no reader holds go back to the pool, when no shard knows of them any
    /// more. Of many shards some forget a segment now and the others with the next call: what it held is hidden.
    func reclaimDropped() {
        let durable = self.durableLSN
        var left = Self.shardsAtOnce
        for (segment, lsn) in self.files.dropping where left > 0 && lsn <= durable && segment.pins == 0 {
            let known = segment.shards.count
            segment.forgetShards(left)
            left -= known
        }
        let gone = self.files.reclaim(durable: durable, isHeld: { $0.pins > 0 || !$0.shards.isEmpty }) {
            PoolFile(file: $0.header.file, useCount: $0.header.useCount, size: $0.size)
        }
        for segment in gone { segment.forgetShards() }
    }
}
