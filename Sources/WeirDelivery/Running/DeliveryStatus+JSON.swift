// SPDX-License-Identifier: Apache-2.0
import WeirJSON

extension DeliveryStatus {
    package enum State: String, Sendable {
        case running
        case waiting
        case ended
    }

    /// What `weir deliver` prints. `state`: what there is to say beside what shards wait for.
    package func object(state: State? = nil) -> JSONObject {
        var object = JSONObject()
        object.set("state", .text((state ?? (self.waiting.isEmpty ? .running : .waiting)).rawValue))
        object.set("records", Int(clamping: self.records))
        object.set("files", Int(clamping: self.files))
        object.set("bytes", Int(clamping: self.bytes))
        object.set("inputBytes", Int(clamping: self.inputBytes))
        object.set("bytesInLargeFiles", Int(clamping: self.bytesInLargeFiles))
        object.set("openFiles", self.openFiles)
        object.set("bufferedBytes", Int(clamping: self.bufferedBytes))
        object.set("oldestRecordMillis", self.oldestNanos.map { Int64(clamping: $0 / 1_000_000) })
        object.set("lastFile", self.lastFile)
        object.set("lateRecords", Int(clamping: self.remarkable.late))
        object.set("recordsWithoutTime", Int(clamping: self.remarkable.withoutTime))
        object.set("recordsWithoutField", Int(clamping: self.remarkable.withoutField))
        object.set("filesThere", Int(clamping: self.passed.files))
        object.set("missedRecords", Int(clamping: self.passed.missed))
        object.set("passedOver", Int(clamping: self.passed.records))
        object.set("filesRecovered", Int(clamping: self.filesRecovered))
        object.set("filesMadeAgain", Int(clamping: self.filesMadeAgain))
        object.set("completeThrough", self.manifests.completeThrough.map { .time($0) } ?? .null)
        object.set("manifestsWaitFor", self.manifests.waiting)
        object.set("waitsFor", .texts(self.waiting.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }))
        return object
    }

    /// The same for an answer that has at most so many bytes: with fewer reasons, and then without any.
    package func text(bytesMax: Int, because reason: String? = nil) -> String {
        var status = self
        for reasons in [8, 1, 0] {
            let first = self.waiting.sorted { $0.key < $1.key }.prefix(reasons)
            status.waiting = Dictionary(uniqueKeysWithValues: first.map { ($0.key, $0.value) })
            var object = status.object(state: reason == nil && self.waiting.isEmpty ? nil : .waiting)
            if reasons > 0 { object.set("problem", reason) }
            let text = object.text
            if text.utf8.count <= bytesMax { return text }
        }
        status.lastFile = nil
        status.manifests.waiting = nil
        return status.object(state: .waiting).text
    }
}
