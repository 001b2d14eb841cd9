// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What streams with a maximum size take in each segment, and at which of them it is time to look: those that have
/// changed since the last look. So a look costs what has changed, and an answer what the cap takes, however many
/// streams have a cap and however many segments there are. No I/O, no clock.
package struct CappedStreams: Sendable {
    /// What a stream takes in one segment, which its place in the order of segments names.
    package struct Share: Hashable, Sendable {
        package let order: UInt64
        package var bytes: Int64

        package init(order: UInt64, bytes: Int64) {
            self.order = order
            self.bytes = bytes
        }
    }

    private struct Shares: Sendable {
        /// Those that the cap has not taken, the oldest first.
        var shares: [Share]
        var bytes: Int64

        init(_ shares: [Share]) {
            self.shares = shares
            self.bytes = shares.reduce(0) { $0 + $1.bytes }
        }
    }

    private var streams: [StreamID: Shares] = [:]
    private var due: Set<StreamID> = []
    private var wasShortOfSpace = false

    package init() {}

    // MARK: What has changed

    /// The stream has got a maximum size, or another one. `shares` are all that its cap has not taken, the oldest
    /// first.
    package mutating func track(_ stream: StreamID, _ shares: [Share]) {
        self.streams[stream] = Shares(shares)
        self.due.insert(stream)
    }

    /// The stream has no maximum size, or is no more.
    package mutating func forget(_ stream: StreamID) {
        self.streams[stream] = nil
        self.due.remove(stream)
    }

    package func tracks(_ stream: StreamID) -> Bool { self.streams[stream] != nil }

    /// What the stream takes in a segment now. `isFull`: it stays at that, and the segment may go from now on.
    package mutating func note(_ stream: StreamID, _ share: Share, isFull: Bool) {
        guard let known = self.streams[stream] else { return }
        if isFull { self.due.insert(stream) }
        // Only the newest segments grow.
        let place = known.shares.lastIndex { $0.order <= share.order }
        let before = place.map { known.shares[$0] }.flatMap { $0.order == share.order ? $0.bytes : nil }
        guard before != share.bytes else { return }
        self.due.insert(stream)
        self.streams[stream]?.bytes += share.bytes - (before ?? 0)
        if let place, before != nil {
            self.streams[stream]?.shares[place].bytes = share.bytes
        } else {
            self.streams[stream]?.shares.insert(share, at: place.map { $0 + 1 } ?? 0)
        }
    }

    /// The segment is no part of the log any more.
    package mutating func drop(_ stream: StreamID, order: UInt64) {
        guard let place = self.streams[stream]?.shares.firstIndex(where: { $0.order == order }),
            let share = self.streams[stream]?.shares.remove(at: place)
        else { return }
        self.streams[stream]?.bytes -= share.bytes
    }

    // MARK: What goes

    /// The streams whose answer may have changed since the last look, by id. In a log that has become short of space
    /// these are all.
    package mutating func look(isShortOfSpace: Bool) -> [StreamID] {
        if isShortOfSpace, !self.wasShortOfSpace { self.due = Set(self.streams.keys) }
        self.wasShortOfSpace = isShortOfSpace
        defer { self.due.removeAll() }
        return self.due.sorted()
    }

    /// What its cap takes could not be logged: the next look is at it again.
    package mutating func retry(_ stream: StreamID) {
        if self.streams[stream] != nil { self.due.insert(stream) }
    }

    /// The newest segment that the cap takes, and with it all before it; `nil`: none. Asked from the oldest on, since
    /// whatever is behind one that stays does too. `isFinished`: no commit is on its way to the segment.
    package func taken(of stream: StreamID, by cap: SizeCap, isFinished: (UInt64) -> Bool) -> UInt64? {
        guard let known = self.streams[stream] else { return nil }
        var newer = known.bytes
        var taken: UInt64?
        for share in known.shares {
            newer -= share.bytes
            guard cap.takes(share.bytes, behind: newer), isFinished(share.order) else { break }
            taken = share.order
        }
        return taken
    }

    /// The cap has taken all up to that segment.
    package mutating func take(_ stream: StreamID, upTo order: UInt64) {
        guard let known = self.streams[stream] else { return }
        self.streams[stream] = Shares(known.shares.filter { $0.order > order })
    }
}
