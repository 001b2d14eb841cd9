// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

/// One lease, from its start to its end: reads ahead, and calls the processor, one call after the other.
struct LeaseRun: Sendable {
    let core: WorkerCore
    let key: LeaseKey
    let lease: AssignedLease
    let processor: any RecordProcessor
    let mailbox: LeaseMailbox
    let checkpointer: Checkpointer

    init(
        _ core: WorkerCore, _ key: LeaseKey, _ lease: AssignedLease, _ processor: any RecordProcessor,
        _ mailbox: LeaseMailbox
    ) {
        self.core = core
        self.key = key
        self.lease = lease
        self.processor = processor
        self.mailbox = mailbox
        self.checkpointer = Checkpointer(key, core)
    }

    /// How processing has ended.
    enum End: Sendable {
        case ended
        case failed
        case asked
        case lost
    }

    private enum Part: Sendable {
        case reading
        case watching
        case processing(End)
    }

    /// When the lease is lost everything is cancelled, for a processor that waits for something. One that does not
    /// return all the same keeps its own lease from coming back to this worker, and nothing else.
    func run() async -> WorkerMachine.ShardOutcome {
        let end = await withTaskGroup(of: Part.self) { group in
            group.addTask {
                await self.read()
                return .reading
            }
            group.addTask {
                _ = await self.mailbox.waitUntilLost()
                return .watching
            }
            group.addTask { .processing(await self.process()) }
            var end = End.lost
            for await part in group {
                switch part {
                case .reading: break
                case .watching: group.cancelAll()
                case .processing(let reached):
                    end = reached
                    self.mailbox.close()
                    group.cancelAll()
                }
            }
            return end
        }
        switch end {
        case .ended: return .ended
        case .failed: return .failed
        case .asked: return .stopped
        case .lost:
            await self.processor.leaseLost()
            return .stopped
        }
    }

    var isLost: Bool { if case .lost? = self.mailbox.stopReason { true } else { false } }

    // MARK: Reading

    /// Ends when the shard does, when nobody takes its records any more, and when the lease does not allow it.
    private func read() async {
        var position = self.lease.checkpoint
        var failures = 0
        while !Task.isCancelled {
            let reading = self.core.services.source.reading(
                self.key.shard, counter: self.key.counter, from: position)
            do {
                while true {
                    let batch = try await reading.next()
                    if Task.isCancelled { return }
                    failures = 0
                    // A shard that is not there any more has no further records.
                    let taken = batch ?? SourceBatch([], isEndOfShard: true)
                    guard await self.mailbox.put(taken), !taken.isEndOfShard else { return }
                    if let last = taken.records.lastNumber {
                        position = .sequenceNumber(last, subSequence: nil)
                    }
                }
            } catch let error as WeirError where error.code == .shardNotFound {
                _ = await self.mailbox.put(SourceBatch([], isEndOfShard: true))
                return
            } catch let error as WeirError where Self.endsReading(error) {
                return self.core.handle(.readingRefused(self.key, error))
            } catch {
                if Task.isCancelled { return }
                failures += 1
                self.core.count { $0.readFailures += 1 }
                self.core.warn(.reading((error as? WeirError)?.code), "reading \(self.key.shard) failed: \(error)")
                guard await self.pause(failures) else { return }
            }
        }
    }

    private static func endsReading(_ error: WeirError) -> Bool {
        switch error.code {
        case .leaseLost, .streamDeleted, .consumerNotFound: true
        default: false
        }
    }

    /// Between attempts; false when there shall be no further one.
    func pause(_ failures: Int) async -> Bool {
        let services = self.core.services
        let nanos = self.core.configuration.retry.policy.pauseNanos(attempt: failures, dice: services.dice())
        return await self.mailbox.pause(until: services.clock.monotonicNanos + nanos, services.clock)
    }
}
