// SPDX-License-Identifier: Apache-2.0
import Synchronization
import WeirDelivery
import WeirJSON

/// Prints the status of a delivery as JSON, when it has changed.
final class DeliveryReporter: Sendable {
    private let last = Mutex<DeliveryStatus?>(nil)
    private let writing = Atomic<Bool>(false)

    /// A line is on its way to whoever reads it.
    var isWriting: Bool { self.writing.load(ordering: .acquiring) }

    func report(_ status: DeliveryStatus, isLast: Bool) throws {
        let isNews = self.last.withLock { last in
            // Age alone is no news.
            var (now, before) = (status, last)
            now.forgetAge()
            before?.forgetAge()
            last = status
            return isLast || now != before
        }
        guard isNews else { return }
        self.writing.store(true, ordering: .releasing)
        defer { self.writing.store(false, ordering: .releasing) }
        let output = StandardOutput()
        Self.object(status, isLast: isLast).write(to: output.bytes)
        try output.flush()
    }

    static func object(_ status: DeliveryStatus, isLast: Bool) -> JSONObject {
        var object = JSONObject()
        object.set("state", .text(isLast ? "ended" : status.waiting.isEmpty ? "running" : "waiting"))
        object.set("records", Int(clamping: status.records))
        object.set("files", Int(clamping: status.files))
        object.set("bytes", Int(clamping: status.bytes))
        object.set("inputBytes", Int(clamping: status.inputBytes))
        object.set("bytesInLargeFiles", Int(clamping: status.bytesInLargeFiles))
        object.set("openFiles", status.openFiles)
        object.set("bufferedBytes", Int(clamping: status.bufferedBytes))
        object.set("oldestRecordMillis", status.oldestNanos.map { Int64(clamping: $0 / 1_000_000) })
        object.set("lastFile", status.lastFile)
        object.set("lateRecords", Int(clamping: status.remarkable.late))
        object.set("recordsWithoutTime", Int(clamping: status.remarkable.withoutTime))
        object.set("recordsWithoutField", Int(clamping: status.remarkable.withoutField))
        object.set("filesThere", Int(clamping: status.passed.files))
        object.set("missedRecords", Int(clamping: status.passed.missed))
        object.set("passedOver", Int(clamping: status.passed.records))
        object.set("filesRecovered", Int(clamping: status.filesRecovered))
        object.set("filesMadeAgain", Int(clamping: status.filesMadeAgain))
        object.set("completeThrough", status.manifests.completeThrough.map { .time($0) } ?? .null)
        object.set("manifestsWaitFor", status.manifests.waiting)
        object.set("waitsFor", .texts(status.waiting.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }))
        return object
    }
}
