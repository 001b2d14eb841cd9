// SPDX-License-Identifier: Apache-2.0
import WeirLog

extension Storage {
    private static let tickMillis = 25
    private static let idleNanos: UInt64 = 50_000_000

    private enum Work {
        case prepare(SegmentPreparation)
        case footer(Segment, SegmentFooter)
        case snapshot(PendingSnapshot)
        case remove([String])
    }

    /// The upkeep thread: segments ahead, footers, snapshots, retention, the idle commit. Nothing here is on the way of a put.
    func runBackground() {
        var lastRetention: UInt64 = 0
        var warning: String?
        var goodbye = false
        while true {
            let now = self.clock.monotonicNanos
            let wall = self.clock.wallMillis
            if now - lastRetention >= 1_000_000_000 || self.monitor.withLock({ $0.core.retentionDue }) {
                lastRetention = now
                let space = try? self.fileSystem.space()
                let said = self.withLog { core -> String? in
                    if let space { core.diskSpace = space }
                    core.retentionDue = false
                    return core.retain(nowMillis: wall, nowNanos: now)
                }
                if let said, said != warning { self.handler(.notice(said)) }
                warning = said
            }
            let closing = self.monitor.withLock { $0.closing }
            if closing, !goodbye {
                goodbye = true
                self.sayGoodbye()
            }
            self.withLog { $0.closeIdle(nowNanos: now, after: Self.idleNanos) }
            if let work = self.nextWork(goodbye: goodbye) {
                self.perform(work)
                continue
            }
            if goodbye { break }
            // Sleeps a tick; shutting down wakes it.
            let woken: Bool? = self.monitor.wait(milliseconds: Self.tickMillis) { $0.closing ? true : nil }
            if woken == true, goodbye { break }
        }
        self.monitor.withLock { $0.background -= 1 }
        self.monitor.wakeAll()
    }

    /// No more requests; a snapshot makes the next start short, an empty commit proves what was acknowledged.
    private func sayGoodbye() {
        self.withLog { core in
            guard case .serving = core.state else { return }
            core.state = .closing
            core.snapshotWanted = core.lastContentLSN > (core.snapshots.last?.lsn ?? .none)
            if !core.open.isEmpty || core.snapshotWanted { core.closeOpen() }
        }
        self.monitor.wakeAll()
        self.awaitDurable()
        while let work = self.nextWork(goodbye: true) { self.perform(work) }
        self.withLog { core in
            guard case .closing = core.state else { return }
            core.closeOpen()
        }
        self.monitor.wakeAll()
        self.awaitDurable()
    }

    private func awaitDurable() {
        _ = self.monitor.wait { running -> Bool? in
            if case .closing = running.core.state { return running.core.pipeline.isIdle ? true : nil }
            return true
        }
    }

    private func nextWork(goodbye: Bool) -> Work? {
        self.monitor.withLock { running in
            let core = running.core
            if case .stopped = core.state { return nil }
            if case .recovering = core.state { return nil }
            if let footer = core.takeFooter() { return .footer(footer.segment, footer.footer) }
            if let snapshot = core.takeSnapshot() { return .snapshot(snapshot) }
            let old = core.takeOldSnapshots() + core.takeUseless()
            if !old.isEmpty { return .remove(old) }
            if !goodbye, let preparation = core.wantsPreparation() { return .prepare(preparation) }
            return nil
        }
    }

    private func perform(_ work: Work) {
        do throws(FileError) {
            switch work {
            case .prepare(let preparation):
                self.prepare(preparation)
            case .footer(let segment, let footer):
                let size = self.footerSize(segment, footer)
                try footer.write(to: segment.file, size: size, useCount: segment.header.useCount)
                self.withLog { $0.footerDone(segment, size: size) }
            case .snapshot(let snapshot):
                do throws(FileError) {
                    let checksum = try snapshot.perform(self.fileSystem)
                    self.withLog { $0.snapshotDone(snapshot, checksum: checksum) }
                } catch {
                    self.withLog { $0.snapshotFailed() }
                    throw error
                }
            case .remove(let names):
                for name in names { try self.fileSystem.remove(name) }
                try self.fileSystem.syncFolder()
            }
        } catch {
            self.handler(.notice("upkeep: \(error)"))
        }
    }

    /// A segment of this term keeps its size, so that it can be recycled; one that a crash left half full is cut.
    private func footerSize(_ segment: Segment, _ footer: SegmentFooter) -> Int {
        self.withLog { core in
            guard segment.header.term < core.term else { return segment.size }
            let entries = footer.shards.reduce(0) { $0 + $1.index.entries.count }
            let cut =
                Int(footer.endOffset) + SegmentFooter.diskBytes(shards: footer.shards.count, entries: entries)
            return min(cut, segment.size)
        }
    }
}
