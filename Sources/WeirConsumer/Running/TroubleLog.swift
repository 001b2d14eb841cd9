// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Keeps what goes wrong for many shards at once, or again and again, from filling the log. Pure.
struct TroubleLog: Sendable {
    enum Trouble: Hashable, Sendable {
        case joining
        case heartbeat
        /// A checkpoint, by the code of the error.
        case storing(WeirError.Code)
        /// By the code of the error; `nil`: it has none.
        case reading(WeirError.Code?)
    }

    /// The same trouble is told again after so long, in nanoseconds.
    static let pauseNanos: UInt64 = 30_000_000_000

    private struct Told {
        var at: UInt64
        var untold = 0
    }

    private var told: [Trouble: Told] = [:]

    /// `nil`: nothing is to be told now. Else how often it was not told since the last time.
    mutating func note(_ trouble: Trouble, now: UInt64) -> Int? {
        if let known = self.told[trouble], now < known.at + Self.pauseNanos {
            self.told[trouble]?.untold += 1
            return nil
        }
        let untold = self.told[trouble]?.untold ?? 0
        self.told[trouble] = Told(at: now)
        return untold
    }
}
