// SPDX-License-Identifier: Apache-2.0
import Dispatch

/// Runs the work of one shard, which compresses and waits for the disk: on threads of its own, so that heartbeats
/// always find one.
final class FileThread: SerialExecutor {
    private let queue: DispatchQueue

    init(_ name: String) { self.queue = DispatchQueue(label: name) }

    /// For what is done once, and may wait for a disk.
    static func once<R: Sendable, E: Error>(_ body: @escaping @Sendable () throws(E) -> R) async throws(E) -> R {
        let result: Result<R, E> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                do throws(E) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
