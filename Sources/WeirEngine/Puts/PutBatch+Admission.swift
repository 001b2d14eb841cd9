// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirModel
import WeirStorage

extension PutBatch {
    struct Verdict {
        /// Records that may be stored.
        var admitted: Int
        /// Whether they are the first ones of the part.
        var isPrefix = true
        /// Until the first refused one may be.
        var waitNanos: UInt64 = 0
        /// When they are not the first ones: which.
        var selection: [Bool] = []
    }

    /// Asks the shard's rates. Records that a client grouped are admitted up to the first refused one, ordered ones
    /// too; of others a smaller one may still pass, as in Kinesis (docs/kinesis-semantics.md, Puts).
    mutating func admit(_ commit: PartCommit, _ stream: StreamState, _ around: PutSurroundings) -> Verdict {
        let part = commit.part
        let limits = stream.settings.limits
        if limits.bytesIn == nil, limits.recordsIn == nil { return Verdict(admitted: part.count) }
        let onlyPrefix = !part.body.isEmpty || self.requests[commit.request].header.sequence > 0
        let now = around.nowNanos
        return around.engine.admission.withLock { table in
            table.with(commit.ref, stream.settings, nowNanos: now) { admission in
                if admission.admit(records: part.count, bytes: part.payload, nowNanos: now) {
                    return Verdict(admitted: part.count)
                }
                var verdict = Verdict(admitted: 0)
                for place in 0..<part.count {
                    let bytes = Int(self.record(commit, place).payload)
                    let isAdmitted = admission.admit(records: 1, bytes: bytes, nowNanos: now)
                    if isAdmitted {
                        if verdict.admitted < place { verdict.isPrefix = false }
                        verdict.admitted += 1
                    } else if verdict.waitNanos == 0 {
                        verdict.waitNanos = max(1, admission.nanosUntilRecord(bytes: bytes, nowNanos: now))
                        if onlyPrefix { break }
                    }
                    verdict.selection.append(isAdmitted)
                }
                return verdict
            }
        }
    }
}
