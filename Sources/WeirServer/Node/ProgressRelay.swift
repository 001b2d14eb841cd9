// SPDX-License-Identifier: Apache-2.0
import Logging
import NIOCore
import Synchronization
import WeirCatalog
import WeirLog
import WeirStorage

/// Brings what the log reports from its threads to the event loops: to each loop with one hop, however many reports
/// come before the loop has time for them.
final class ProgressRelay: Sendable {
    private struct State {
        var loops: [LoopInbox] = []
        var onStop: (@Sendable (String) -> Void)?
        var stopped: String?
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    /// Reports that came before are lost but for the end: whoever attaches loops lets them look at the log afterwards.
    func attach(_ loops: [LoopInbox], onStop: @escaping @Sendable (String) -> Void) {
        let stopped = self.state.withLock { state in
            state.loops = loops
            state.onStop = onStop
            return state.stopped
        }
        if let stopped { onStop(stopped) }
    }

    /// Called on threads of the log.
    func report(_ progress: Progress) {
        switch progress {
        case .notice(let sentence): return self.logger.notice("\(sentence)")
        case .failed(_, let reason):
            self.logger.error("a write of the log failed; recovering", metadata: ["reason": "\(reason)"])
        case .recovered: self.logger.notice("the log serves again")
        case .durable, .stopped: break
        }
        let (loops, onStop) = self.state.withLock { state in
            if case .stopped(let reason) = progress { state.stopped = reason }
            return (state.loops, state.onStop)
        }
        if case .stopped(let reason) = progress {
            onStop?(reason)
        } else {
            for loop in loops { loop.post(progress) }
        }
    }
}

/// What waits for one event loop.
final class LoopInbox: Sendable {
    /// The reports in order; neighbours that say the same are joined.
    struct Reports {
        enum Report: Hashable {
            case durable(Watermark)
            case failed(Watermark, reason: String)
            case recovered(Watermark)
        }

        var reports: [Report] = []
        /// Shards that have something new, with repetitions.
        var shards: [ShardRef] = []
        /// So many that looking at every waiter is less work.
        var allShards = false
        static let shardsMax = 4096

        mutating func add(_ progress: Progress) {
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
    let handle: LoopHandle

    init(_ handle: LoopHandle) { self.handle = handle }

    func post(_ progress: Progress) {
        let schedule = self.state.withLock { state in
            state.waiting.add(progress)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if schedule { self.handle.run { $0.takeReports() } }
    }

    /// Everything that has been reported. On the loop.
    func take() -> Reports {
        self.state.withLock { state in
            state.isScheduled = false
            defer { state.waiting = Reports() }
            return state.waiting
        }
    }
}

/// An event loop and what a node keeps there, for those who are elsewhere.
struct LoopHandle: Sendable {
    let eventLoop: any EventLoop
    private let bound: NIOLoopBound<LoopContext>

    /// On the loop itself.
    init(_ context: LoopContext, _ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.bound = NIOLoopBound(context, eventLoop: eventLoop)
    }

    /// On the loop only.
    var onLoop: LoopContext { self.bound.value }

    /// Runs `body` on the loop, soon.
    func run(_ body: @escaping @Sendable (LoopContext) -> Void) {
        let bound = self.bound
        self.eventLoop.execute { body(bound.value) }
    }
}
