// SPDX-License-Identifier: Apache-2.0
import Dispatch

/// Runs the work of one shard, which compresses and waits for the disk: on threads of its own, so that heartbeats
/// always find one.
final class FileThread: SerialExecutor {
    private let queue: DispatchQueue

    init(_ name: String) { self.queue = DispatchQueue(label: name) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
