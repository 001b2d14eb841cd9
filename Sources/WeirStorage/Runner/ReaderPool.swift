// SPDX-License-Identifier: Apache-2.0
import WeirIO

/// A few threads that read from the disk, with a bounded queue.
final class ReaderPool: Sendable {
    private struct Queue {
        var waiting: [@Sendable () -> Void] = []
        var first = 0
        var stopped = false
        var count: Int { self.waiting.count - self.first }
    }

    private let queue = Monitor(Queue())
    private let queueMax: Int

    init(threads: Int, queueMax: Int) {
        self.queueMax = queueMax
        for number in 0..<threads {
            Thread.start("weir-reader-\(number)") { [self] in self.run() }
        }
    }

    /// False when the queue is full or the pool has stopped.
    func submit(_ work: @escaping @Sendable () -> Void) -> Bool {
        let queued = self.queue.withLock { queue in
            guard !queue.stopped, queue.count < self.queueMax else { return false }
            queue.waiting.append(work)
            return true
        }
        if queued { self.queue.wakeWorker() }
        return queued
    }

    /// What is queued is still done.
    func stop() {
        self.queue.withLock { $0.stopped = true }
        self.queue.wakeAll()
    }

    private func run() {
        while true {
            let next: (@Sendable () -> Void)? = self.queue.waitForWork { queue in
                if queue.count > 0 {
                    let work = queue.waiting[queue.first]
                    queue.first += 1
                    if queue.first > 256, queue.first * 2 > queue.waiting.count {
                        queue.waiting.removeFirst(queue.first)
                        queue.first = 0
                    }
                    return .some(work)
                }
                return queue.stopped ? .some(nil) : nil
            }
            guard let next else { return }
            next()
        }
    }
}
