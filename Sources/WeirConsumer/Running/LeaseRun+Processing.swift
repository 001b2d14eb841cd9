// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirModel

extension LeaseRun {
    /// What became of some records.
    private enum Fate {
        case processed
        /// Not, or not all of them: what is to come is decided by why.
        case stopped(End)
    }

    private var configuration: WorkerConfiguration { self.core.configuration }

    func process() async -> End {
        if let end = await self.initialize() { return end }
        // Up to where the processor has kept its word, whatever else it was given.
        var processed = self.lease.checkpoint
        while true {
            switch await self.mailbox.take() {
            case .stop(let reason): return await self.stop(reason, processed)
            case .batch(let batch):
                if batch.missedRecords > 0 {
                    self.core.count { $0.missedRecords += batch.missedRecords }
                    let noun = batch.missedRecords == 1 ? "record" : "records"
                    self.core.logger?.warning(
                        """
                        missed \(batch.missedRecords) \(noun) of \(self.key.shard): \
                        expired before they could be read, or damaged on the server's disk
                        """)
                }
                if let end = await self.process(batch, &processed) { return end }
                if batch.isEndOfShard { return await self.endShard(processed) }
            }
        }
    }

    /// `nil`: go on.
    private func process(_ batch: SourceBatch, _ processed: inout LeaseCheckpoint) async -> End? {
        var cursor = UserRecordCursor(batch.records, after: self.lease.checkpoint)
        while true {
            let records = cursor.take(self.configuration.recordsPerCall)
            guard !records.isEmpty else { return nil }
            if let reason = self.mailbox.stopReason { return await self.stop(reason, processed) }
            switch await self.process(records, batch.millisBehindLatest, &processed) {
            case .processed:
                if self.configuration.checkpoints == .automatic { self.checkpointer.checkpointSoon() }
            case .stopped(.asked):
                guard let reason = self.mailbox.stopReason else { return .lost }
                return await self.stop(reason, processed)
            case .stopped(.failed):
                await self.checkpointProcessed(processed)
                return .failed
            case .stopped(let end): return end
            }
        }
    }

    // MARK: Beginning and end

    private func initialize() async -> End? {
        let failure = await self.attempt("initialize") {
            try await self.processor.initialize(
                self.key.shard, from: self.lease.checkpoint, checkpointer: self.checkpointer)
        }
        guard let failure else { return nil }
        guard case .asked = failure, let reason = self.mailbox.stopReason else { return failure }
        // It has not begun, so there is nothing to finish.
        if case .lost = reason { return .lost }
        return .asked
    }

    private func stop(_ reason: WorkerMachine.StopReason, _ processed: LeaseCheckpoint) async -> End {
        if case .lost = reason { return .lost }
        guard self.core.deliver(self.key, processed) else { return .lost }
        do {
            try await self.processor.shutdownRequested(checkpointer: self.checkpointer)
        } catch {
            self.core.logger?.warning("the processor of \(self.key.shard) failed at shutdownRequested: \(error)")
        }
        await self.checkpointProcessed(processed)
        return self.isLost ? .lost : .asked
    }

    /// The last automatic checkpoint. When it fails some records will be processed twice, and the log tells.
    private func checkpointProcessed(_ processed: LeaseCheckpoint) async {
        guard self.core.deliver(self.key, processed), self.configuration.checkpoints == .automatic else { return }
        try? await self.core.checkpoint(self.key, nil)
    }

    private func endShard(_ processed: LeaseCheckpoint) async -> End {
        self.core.handle(.reachedEnd(self.key))
        let failure = await self.attempt("shardEnded") {
            try await self.processor.shardEnded(checkpointer: self.checkpointer)
            guard self.configuration.checkpoints == .manual else { return }
            guard let progress = self.core.progress(self.key), progress.saved != .shardEnd else { return }
            throw WeirError(.invalidArgument, "shardEnded returned without a checkpoint at the end of the shard")
        }
        if let failure {
            // Stopped between two attempts: the end was not processed, so the next worker gets it again.
            if case .asked = failure, self.isLost { return .lost }
            return failure
        }
        guard self.configuration.checkpoints == .automatic else { return .ended }
        return await self.storeEnd()
    }

    /// The processor is done with the shard. Its children wait for this, so it is tried until it is stored.
    private func storeEnd() async -> End {
        var failures = 0
        while true {
            do {
                try await self.core.checkpoint(self.key, nil)
                return .ended
            } catch {
                if self.isLost { return .lost }
                failures += 1
                guard await self.pause(failures) else { return self.isLost ? .lost : .asked }
            }
        }
    }

    /// Calls until it does not throw. Otherwise says how it ends.
    private func attempt(_ call: String, _ body: () async throws -> Void) async -> End? {
        var failures = 0
        while true {
            do {
                try await body()
                return self.isLost ? .lost : nil
            } catch {
                if self.isLost { return .lost }
                failures += 1
                self.failed(call, failures, error)
                if error is ProcessorGivesUp { return .failed }
                guard failures < self.configuration.retry.attempts else { return .failed }
                self.core.count { $0.retries += 1 }
                guard await self.pause(failures) else { return self.isLost ? .lost : .asked }
            }
        }
    }

    private func failed(_ call: String, _ failures: Int, _ error: any Error) {
        let attempts = self.configuration.retry.attempts
        self.core.logger?.warning(
            "the processor of \(self.key.shard) failed at \(call), attempt \(failures) of \(attempts): \(error)")
    }

    // MARK: Records

    private func process(
        _ records: [UserRecord], _ millisBehind: Int64, _ processed: inout LeaseCheckpoint
    ) async -> Fate {
        var pending = records
        switch await self.call(&pending, millisBehind, &processed) {
        case .done: return .processed
        case .stopped(let end): return .stopped(end)
        case .exhausted(let error):
            guard self.core.services.deadLetters != nil, !(error is FailureOfAnyRecord) else {
                return self.giveUp(pending, error, processed)
            }
            guard pending.count > 1 else { return await self.bury(pending, error, &processed) }
        }
        // One of them cannot be processed: which, is found out one by one.
        for record in pending {
            if let reason = self.mailbox.stopReason {
                if case .lost = reason { return .stopped(.lost) }
                return .stopped(.asked)
            }
            var single = [record]
            switch await self.call(&single, millisBehind, &processed) {
            case .done: break
            case .stopped(let end): return .stopped(end)
            case .exhausted(let error):
                guard !(error is FailureOfAnyRecord) else { return self.giveUp(single, error, processed) }
                let fate = await self.bury(single, error, &processed)
                guard case .processed = fate else { return fate }
            }
        }
        return .processed
    }

    private enum CallEnd {
        case done
        case exhausted(any Error)
        case stopped(End)
    }

    /// Gives records to the processor, again when it throws. What it has checkpointed meanwhile is not given again.
    private func call(
        _ records: inout [UserRecord], _ millisBehind: Int64, _ processed: inout LeaseCheckpoint
    ) async -> CallEnd {
        guard let last = records.last?.position else { return .done }
        var failures = 0
        while true {
            guard self.core.deliver(self.key, last) else { return .stopped(.lost) }
            do {
                let given = UserRecords(records, shard: self.key.shard, millisBehindLatest: millisBehind)
                try await self.processor.processRecords(given, checkpointer: self.checkpointer)
                if self.isLost { return .stopped(.lost) }
                self.count(records)
                processed = last
                return .done
            } catch {
                if self.isLost { return .stopped(.lost) }
                if error is ProcessorStops, self.mailbox.stopReason != nil { return .stopped(.asked) }
                failures += 1
                self.failed("processRecords", failures, error)
                if error is ProcessorGivesUp { return .stopped(.failed) }
                self.leaveOutCheckpointed(&records, &processed)
                if records.isEmpty { return .done }
                guard failures < self.configuration.retry.attempts else { return .exhausted(error) }
                self.core.count { $0.retries += 1 }
                guard await self.pause(failures) else { return .stopped(self.isLost ? .lost : .asked) }
            }
        }
    }

    private func leaveOutCheckpointed(_ records: inout [UserRecord], _ processed: inout LeaseCheckpoint) {
        guard let asked = self.core.progress(self.key)?.asked else { return }
        let done = records.prefix { asked.isAtOrAfter($0.position) }
        guard let last = done.last else { return }
        processed = last.position
        self.count(Array(done))
        records.removeFirst(done.count)
    }

    private func count(_ records: [UserRecord]) {
        var bytes = 0
        for record in records { bytes += record.bytes }
        self.core.processed(self.key, records: records.count, bytes: bytes)
    }

    private func giveUp(_ records: [UserRecord], _ error: any Error, _ processed: LeaseCheckpoint) -> Fate {
        let attempts = self.configuration.retry.attempts
        let range = "\(records.first?.position ?? processed) to \(records.last?.position ?? processed)"
        self.core.logger?.error("after \(attempts) attempts the records \(range) are not processed: \(error)")
        return .stopped(.failed)
    }

    /// Puts the record aside and goes on behind it; only when that is stored.
    private func bury(
        _ records: [UserRecord], _ cause: any Error, _ processed: inout LeaseCheckpoint
    ) async -> Fate {
        guard let record = records.first, let deadLetters = self.core.services.deadLetters else { return .processed }
        let letter = DeadLetter(
            record: record, application: self.configuration.application, worker: self.configuration.worker,
            attempts: self.configuration.retry.attempts, cause: "\(cause)")
        var failures = 0
        while true {
            do {
                try await deadLetters.put(key: letter.key, data: letter.json)
                self.core.count { $0.deadLetters += 1 }
                processed = record.position
                return .processed
            } catch {
                if self.isLost { return .stopped(.lost) }
                self.core.logger?.error(
                    "a record of \(self.key.shard) could not be put into the dead-letter stream: \(error)")
                if let error = error as? WeirError, error.verdict.retry == .never { return .stopped(.failed) }
                failures += 1
                guard await self.pause(failures) else { return .stopped(self.isLost ? .lost : .asked) }
            }
        }
    }
}
