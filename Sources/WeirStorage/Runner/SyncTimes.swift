// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// How long the last writes took until they were on disk: the newest 1,024.
final class SyncTimes: Sendable {
    private struct Ring {
        var micros: [UInt32] = []
        var next = 0
    }

    private static let size = 1024
    private let ring = Mutex(Ring())

    func record(nanos: UInt64) {
        let micros = UInt32(clamping: nanos / 1000)
        self.ring.withLock { ring in
            if ring.micros.count < Self.size {
                ring.micros.append(micros)
            } else {
                ring.micros[ring.next] = micros
            }
            ring.next = (ring.next + 1) % Self.size
        }
    }

    func percentiles() -> (p50: Int, p99: Int) {
        let sorted = self.ring.withLock { $0.micros }.sorted()
        guard !sorted.isEmpty else { return (0, 0) }
        return (Int(sorted[sorted.count / 2]), Int(sorted[min(sorted.count - 1, sorted.count * 99 / 100)]))
    }
}
