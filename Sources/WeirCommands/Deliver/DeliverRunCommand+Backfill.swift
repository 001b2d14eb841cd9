// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirDelivery
import WeirIO
import WeirModel

/// `--until`: a fixed range, which ends by itself.
extension DeliverRunCommand {
    func validateBackfill(_ pattern: PrefixPattern) throws {
        if case .sequence? = self.until {
            throw ValidationError("--until with a sequence number is not possible here: it belongs to one shard")
        }
        if case .latest? = self.worker.from { throw ValidationError("--from latest begins where --until has passed") }
        let others = [
            ("--app", self.app != nil), ("--worker", self.worker.worker != nil), ("--age", self.files.age != nil),
            ("--size-before-compression", self.configuration.countsBeforeCompression),
            ("--manifest", self.configuration.hasManifests),
        ].filter(\.1).map(\.0)
        if let other = others.first {
            throw ValidationError("\(other) and --until exclude each other")
        }
        if pattern.hasChance {
            throw ValidationError(
                "!{firehose:random-string} is not possible with --until: each run would write other names")
        }
    }

    private var fileBytes: UInt64 { UInt64(self.files.size ?? 256 << 20) }

    /// What decides where files are cut and what is in them.
    private func options(_ pattern: PrefixPattern) -> String {
        let time = pattern.eventTime.map { "\($0.field) \($0.form.rawValue)" } ?? "arrival"
        let format = self.configuration.format.rawValue
        return "--size \(self.fileBytes) --format \(format) --prefix '\(pattern.text)' --error-prefix "
            + "'\(pattern.errorText)' --time-zone \(pattern.offsetMinutes)m, time of the prefix: \(time)"
    }

    func backfill(_ until: ReadPosition) async throws {
        OpenFiles.raise()
        let pattern = try self.configuration.pattern(self.stream)
        let folder: FolderDestination
        let lock: FolderLock?
        do {
            folder = try FolderDestination(self.to)
            try folder.claim(self.stream, .backfill(self.options(pattern)))
            lock = try folder.lock(self.stream)
        } catch {
            throw Failure(.failed, error.description)
        }
        guard let lock else {
            throw Failure(.tryAgain, "another backfill of stream '\(self.stream)' is writing into \(self.to)")
        }
        defer { lock.release() }
        let (isWhole, status) = try await self.connection.withClient(trying: "until it is there or this is ended") {
            client in
            let stream = try await client.describeStream(self.stream)
            let (start, end) = try await self.range(until, client)
            var settings = BackfillSettings(
                stream: self.stream, streamTag: FileName.tag(stream.id, createdMillis: stream.createdAtMillis),
                pattern: pattern, compression: try self.configuration.compressed(),
                fileBytes: self.fileBytes, form: self.configuration.format.form, untilMillis: end)
            settings.errorForm = self.configuration.errorForm
            let backfill = Backfill(client, stream.id, settings, from: start, into: folder) { reason in
                Messages.write(reason.map { "the backfill waits: \($0)" } ?? "the backfill goes on")
            }
            return try await self.run(backfill)
        }
        try self.tell(status, isWhole: isWhole)
    }

    /// From where, and before what time, in milliseconds since 1970. Returns when the range is over for good.
    private func range(_ until: ReadPosition, _ client: WeirClient) async throws -> (ShardIteratorType, Int64) {
        let now = try await client.ping().serverTimeMillis
        let end: Int64
        switch until {
        case .time(let time): end = time.millis(serverMillis: now)
        case .latest, .trimHorizon, .sequence: end = now
        }
        guard end <= now else {
            throw Failure.usage(
                "--until, \(TimeText.describe(end)), lies ahead of the server's clock, \(TimeText.describe(now)): "
                    + "what comes until then would be missing")
        }
        if case .time(let from)? = self.worker.from, from.millis(serverMillis: now) > end {
            let begin = TimeText.describe(from.millis(serverMillis: now))
            throw Failure.usage("--until, \(TimeText.describe(end)), lies before --from, \(begin): exchange them")
        }
        let wait = end + Completeness.settlingMillis - now
        if wait > 0 {
            Messages.write(
                "waiting \(DurationText.describe(wait)): records of the range may be on their way to the disk")
            try await SystemClock().sleep(until: SystemClock().monotonicNanos + UInt64(wait) * 1_000_000)
        }
        return ((self.worker.from ?? .trimHorizon).shardStart(serverMillis: now), end)
    }

    private func run(_ backfill: Backfill) async throws -> (isWhole: Bool, DeliveryStatus) {
        let progress = Progress("wrote")
        let task = Task { try await backfill.run() }
        var isWhole = false
        try await self.reporting({ backfill.status }) {
            isWhole = try await Interrupts.whileRunning(finish: {
                backfill.stop()
                task.cancel()
            }) {
                let following = Task {
                    while !Task.isCancelled {
                        let status = backfill.status
                        let bytes = status.inputBytes + status.bufferedBytes
                        progress.set(
                            records: Int(clamping: status.records + status.passed.records), bytes: Int(clamping: bytes))
                        try await Task.sleep(for: .milliseconds(200))
                    }
                }
                defer { following.cancel() }
                do {
                    return try await progress.whileRunning { try await task.value }
                } catch let error as DestinationError {
                    throw Failure(.failed, error.description)
                }
            }
        }
        return (isWhole, backfill.status)
    }

    private func tell(_ status: DeliveryStatus, isWhole: Bool) throws {
        var text =
            "wrote \(CountText.describe(Int(clamping: status.records), "record")) into "
            + "\(CountText.describe(Int(clamping: status.files), "file")), "
            + SizeText.rounded(Int64(clamping: status.bytes))
        if status.passed.files > 0 {
            let records = CountText.describe(Int(clamping: status.passed.records), "record")
            text += "; \(CountText.describe(Int(clamping: status.passed.files), "file")) with \(records) were there"
        }
        if status.passed.missed > 0 {
            let missed = CountText.describe(Int(clamping: status.passed.missed), "record")
            text += "; \(missed) could not be read: expired, trimmed, or damaged on the server's disk"
        }
        Messages.write(text)
        guard !isWhole else { return }
        let reason = status.unfinished.min { $0.key < $1.key }?.value
        throw Failure(
            .tryAgain,
            "the range is not written whole" + (reason.map { ": \($0)" } ?? "") + ". Run it again to complete it")
    }
}
