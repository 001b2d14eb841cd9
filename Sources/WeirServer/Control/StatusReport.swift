// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirEngine
import WeirModel
import WeirProtocol
import WeirStorage

/// The numbers and texts of Status.
struct StatusReport {
    private let node: NodeCore
    private let streams: Int
    private let openShards: Int

    init(_ node: NodeCore, streams: Int, openShards: Int) {
        self.node = node
        self.streams = streams
        self.openShards = openShards
    }

    func answer() -> StatusAnswer {
        let storage = self.node.storage.status()
        let uptime = self.node.clock.monotonicNanos - self.node.startedNanos
        var numbers: [StatusAnswer.Number] = []
        func add(_ name: StatusAnswer.KnownNumber, _ value: Int64) {
            numbers.append(StatusAnswer.Number(name.rawValue, value))
        }
        add(.uptimeMillis, Int64(clamping: uptime / 1_000_000))
        add(.streams, Int64(self.streams))
        add(.openShards, Int64(self.openShards))
        add(.connections, Int64(self.node.connectionCount.load(ordering: .relaxed)))
        add(.recordsIn, self.node.sum { $0.recordsIn.load(ordering: .relaxed) })
        add(.bytesIn, self.node.sum { $0.bytesIn.load(ordering: .relaxed) })
        add(.recordsOut, self.node.sum { $0.recordsOut.load(ordering: .relaxed) })
        add(.bytesOut, self.node.sum { $0.bytesOut.load(ordering: .relaxed) })
        add(.durableLSN, Int64(clamping: storage.durableLSN.rawValue))
        add(.logBytes, storage.logBytes)
        add(.logBytesMax, storage.logBytesMax)
        add(.freeDiskBytes, storage.freeBytes)
        add(.fsyncP50Micros, Int64(storage.syncMicrosP50))
        add(.fsyncP99Micros, Int64(storage.syncMicrosP99))
        if let resident = ResidentMemory.bytes() { add(.residentBytes, resident) }
        numbers.append(contentsOf: self.serverNumbers(damagedRanges: storage.damaged.count))
        if let held = storage.heldBack { numbers.append(StatusAnswer.Number("held-back-ms", held.millis)) }
        return StatusAnswer(
            numbers: numbers,
            texts: [
                StatusAnswer.Text(StatusAnswer.KnownText.version.rawValue, self.node.configuration.serverName),
                StatusAnswer.Text(
                    StatusAnswer.KnownText.dataDirectory.rawValue, self.node.configuration.storage.folder),
                StatusAnswer.Text(StatusAnswer.KnownText.writeMode.rawValue, storage.writeMode),
            ] + self.refusals() + (storage.heldBack.map { [StatusAnswer.Text("held-back", $0.sentence)] } ?? []))
    }

    /// Why nothing can be put, if that is so.
    private func refusals() -> [StatusAnswer.Text] {
        guard let refusing = self.node.engine.fullLog.withLock({ $0.refusing }) else { return [] }
        return [StatusAnswer.Text("puts-refused", refusing.sentence)]
    }

    private func serverNumbers(damagedRanges: Int) -> [StatusAnswer.Number] {
        var numbers = [
            StatusAnswer.Number("put-requests", self.node.sum { $0.putRequests.load(ordering: .relaxed) }),
            StatusAnswer.Number("throttled-records", self.node.sum { $0.throttledRecords.load(ordering: .relaxed) }),
            StatusAnswer.Number(
                "records-refused-log-full", self.node.sum { $0.fullLogRecords.load(ordering: .relaxed) }),
            StatusAnswer.Number("throttled-reads", self.node.sum { $0.throttledReads.load(ordering: .relaxed) }),
            StatusAnswer.Number(
                "connections-accepted", self.node.sum { $0.connectionsAccepted.load(ordering: .relaxed) }),
            StatusAnswer.Number(
                "subscriptions-and-long-polls", Int64(self.node.engine.waiterCount)),
            StatusAnswer.Number("frame-memory-bytes", Int64(self.node.frameMemory.reservedBytes)),
            StatusAnswer.Number("read-memory-bytes", Int64(self.node.engine.readMemory.reservedBytes)),
            StatusAnswer.Number("held-memory-bytes", Int64(self.node.engine.heldMemory.reservedBytes)),
            StatusAnswer.Number("damaged-ranges", Int64(damagedRanges)),
        ]
        for code in WeirError.Code.allCases {
            let count = self.node.sum { $0.errors(code) }
            if count > 0 { numbers.append(StatusAnswer.Number("errors-" + code.name, count)) }
        }
        return numbers
    }
}
