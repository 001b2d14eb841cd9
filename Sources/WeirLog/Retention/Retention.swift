// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What is hidden of the records of a stream.
package struct Hidden: Hashable, Sendable {
    /// What arrived before, in milliseconds since 1970.
    package var arrivedBefore: Int64
    /// What lies in segments that end here or before.
    package var upTo: LSN

    package init(arrivedBefore: Int64, upTo: LSN) {
        self.arrivedBefore = arrivedBefore
        self.upTo = upTo
    }

    /// Whether nothing is visible of a segment that ends with that commit.
    package func hides(segmentEnd: LSN) -> Bool { segmentEnd <= self.upTo }

    /// Whether nothing is visible of records of which the last arrived then, in a segment that ends with that commit.
    package func hides(lastArrivalMillis: Int64, segmentEnd: LSN) -> Bool {
        lastArrivalMillis < self.arrivedBefore || self.hides(segmentEnd: segmentEnd)
    }

    /// What both hide.
    package func common(with other: Hidden) -> Hidden {
        Hidden(
            arrivedBefore: min(self.arrivedBefore, other.arrivedBefore), upTo: min(self.upTo, other.upTo))
    }
}

/// What a stream says of how long its records stay.
package struct KeptRecords: Hashable, Sendable {
    package let stream: StreamID
    /// In milliseconds.
    package let retentionMillis: Int64
    /// What arrived before is hidden for ever, in milliseconds since 1970.
    package let horizonMillis: Int64
    /// Its size cap has taken all segments that end with this commit or before.
    package let capped: LSN

    package init(stream: StreamID, retentionMillis: Int64, horizonMillis: Int64, capped: LSN) {
        self.stream = stream
        self.retentionMillis = retentionMillis
        self.horizonMillis = horizonMillis
        self.capped = capped
    }
}

/// What is hidden and what may be deleted: the time of the log, the waits before deletion, and the size caps. No I/O,
/// no clock.
package struct Retention: Sendable {
    package var time: LogTime
    /// From when on the records of a stream may be deleted.
    package var waits: DeletionWaits
    /// What streams with a maximum size take.
    package var capped = CappedStreams()

    package init(time: LogTime, waits: DeletionWaits = DeletionWaits(found: [:], nanos: 0)) {
        self.time = time
        self.waits = waits
    }

    /// Upkeep looks at the clocks and at what may go.
    package mutating func look(_ now: LogTime.Moment) {
        self.waits.look(nowNanos: now.nanos)
        self.time.observe(now)
    }

    /// What retention, trims and the size cap hide of a stream. What age hides follows the clock; the rest only rises.
    package func hidden(of stream: KeptRecords, nowMillis: Int64) -> Hidden {
        Hidden(
            arrivedBefore: max(stream.horizonMillis, self.time.hiding(nowMillis) - stream.retentionMillis),
            upTo: stream.capped)
    }

    /// Whether records may be deleted, of which the last arrived then, in a segment that ends with that commit.
    package func mayDelete(
        _ stream: KeptRecords, lastArrivalMillis: Int64, segmentEnd: LSN, nowMillis: Int64
    ) -> Bool {
        if segmentEnd <= stream.capped { return true }
        let before = self.waits.deletableBefore(
            stream.stream, retentionMillis: stream.retentionMillis,
            destroyingMillis: self.time.destroying(nowMillis))
        return lastArrivalMillis < before
    }

    /// Whether the wall clock is ahead of what is believed of it: it hides, and destroys nothing.
    package func doubtsClock(_ wallMillis: Int64) -> Bool {
        self.time.destroying(wallMillis) < self.time.hiding(wallMillis)
    }
}
