// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirLog
import WeirModel
import WeirStorage

/// What the log has reported and a lane has not taken up: one hop to the lane's thread for however many reports come
/// before it has time for them.
package final class LaneInbox: Sendable {
    /// The reports in order; neighbours that say the same are joined.
    package struct Reports {
        package enum Report: Hashable {
            case durable(Watermark)
            case failed(Watermark, reason: String)
            case recovered(Watermark)
        }

        package private(set) var reports: [Report] = []
        /// Shards that have something new, with repetitions.
        package private(set) var shards: [ShardRef] = []
        /// So many that looking at every waiter is less work.
        package private(set) var allShards = false
        package static let shardsMax = 4096

        package init() {}

        package mutating func add(_ progress: Progress) {
            switch progress {
            case .durable(let watermark, let shards):
                // Two threads report, and the later watermark may come first.
                if case .durable(var last)? = self.reports.last, last.isInStep(with: watermark) {
                    _ = last.advance(to: watermark)
                    self.reports[self.reports.count - 1] = .durable(last)
                } else {
                    self.reports.append(.durable(watermark))
                }
                if self.shards.count + shards.count > Self.shardsMax {
                    self.allShards = true
                    self.shards.removeAll()
                }
                if !self.allShards { self.shards.append(contentsOf: shards) }
            case .failed(let watermark, let reason): self.reports.append(.failed(watermark, reason: reason))
            case .recovered(let watermark): self.reports.append(.recovered(watermark))
            case .stopped, .notice: break
            }
        }
    }

    private struct State {
        var waiting = Reports()
        var isScheduled = false
    }

    private let state = Mutex(State())
    private let host: any LaneHost

    package init(_ host: any LaneHost) { self.host = host }

    /// From any thread.
    package func post(_ progress: Progress) {
        let schedule = self.state.withLock { state in
            state.waiting.add(progress)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if schedule { self.host.run { lane in lane.take(self.take()) } }
    }

    private func take() -> Reports {
        self.state.withLock { state in
            state.isScheduled = false
            defer { state.waiting = Reports() }
            return state.waiting
        }
    }
}
