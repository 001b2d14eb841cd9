// SPDX-License-Identifier: Apache-2.0

/// For how long a frame that has begun is waited for. Pure; times are in milliseconds, of a clock that never goes back.
///
/// Two bounds hold. Something of the frame comes within the stall timeout, and all of it comes, after as much time in
/// hand, at the least rate on average. Only bytes that have come buy time: a drip of them buys next to none, so that
/// nobody keeps the memory of a frame for longer than the bytes that were sent are worth.
package struct FramePatience: Hashable, Sendable {
    /// Bytes a second.
    package static let leastRate = 64 << 10

    private let begunAt: Int64
    private var lastAt: Int64
    private var arrived: Int

    /// A frame has begun of which `arrived` bytes are there.
    package init(arrived: Int, now: Int64) {
        self.begunAt = now
        self.lastAt = now
        self.arrived = arrived
    }

    /// So many bytes of it are there now.
    package mutating func received(_ arrived: Int, now: Int64) {
        self.arrived = arrived
        self.lastAt = now
    }

    /// When it has stood still for too long.
    private func stallDeadline(_ stallMillis: Int64) -> Int64 { self.lastAt + stallMillis }

    /// When it would be too slow, were nothing more to come.
    private func rateDeadline(_ stallMillis: Int64) -> Int64 {
        self.begunAt + stallMillis + Int64(self.arrived) * 1000 / Int64(Self.leastRate)
    }

    package func deadline(stallMillis: Int64) -> Int64 {
        min(self.stallDeadline(stallMillis), self.rateDeadline(stallMillis))
    }

    /// Why it is given up at its deadline.
    package func sentence(stallMillis: Int64, now: Int64) -> String {
        if self.stallDeadline(stallMillis) <= self.rateDeadline(stallMillis) {
            return "a frame has begun and nothing of it came for \(stallMillis) ms"
        }
        return "a frame has begun and comes too slowly: \(self.arrived) bytes in \(now - self.begunAt) ms; after "
            + "\(stallMillis) ms it comes at \(Self.leastRate) bytes a second on average"
    }
}
