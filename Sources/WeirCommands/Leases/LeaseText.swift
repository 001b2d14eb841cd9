// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// Leases as they are printed.
enum LeaseText {
    /// By the age of what is still to be processed, then by its records, then by shard.
    static func worstFirst(_ leases: [LeaseDescription]) -> [LeaseDescription] {
        leases.sorted { left, right in
            if left.lag.millis != right.lag.millis { return left.lag.millis > right.lag.millis }
            if left.lag.records != right.lag.records { return left.lag.records > right.lag.records }
            return left.shard < right.shard
        }
    }

    static func write(_ leases: [LeaseDescription], asJSON: Bool, to output: OutputBytes) {
        if asJSON {
            for lease in leases { Self.object(lease).write(to: output) }
        } else {
            var table = Self.table
            for lease in leases { table.append(Self.row(lease)) }
            table.write(to: output)
        }
    }

    // MARK: For people

    private static var table: Table {
        Table([
            ("SHARD", .left), ("OWNER", .left), ("CHECKPOINT", .left), ("LAG RECORDS", .right), ("LAG MS", .right),
            ("SWITCHES", .right), ("COUNTER", .right), ("HANDING OVER TO", .left), ("RESET", .left),
        ])
    }

    private static func row(_ lease: LeaseDescription) -> [String] {
        [
            lease.shard.description, lease.owner?.description ?? "-", Self.describe(lease.checkpoint),
            "\(lease.lag.records)", "\(lease.lag.millis)", "\(lease.ownerSwitchesSinceCheckpoint)",
            "\(lease.counter)", lease.handingOverTo?.description ?? "-", Self.describe(lease.reset),
        ]
    }

    static func describe(_ checkpoint: LeaseCheckpoint) -> String {
        if case .at(let time) = checkpoint {
            return "AT_TIMESTAMP(\(TimeText.describe(time.millisecondsSince1970)))"
        }
        return checkpoint.description
    }

    private static func describe(_ reset: LeaseDescription.Reset?) -> String {
        guard let reset else { return "-" }
        // Somebody else wrote it: nothing in it may move the cursor.
        let visible = OutputBytes()
        var reason = reset.reason
        reason.withUTF8 { visible.append(visible: UnsafeRawBufferPointer($0)) }
        return "\(TimeText.describe(reset.atMillis / 1000 * 1000)) \(visible.text)"
    }

    // MARK: For programs

    /// What KCL's lease table calls them, then what it does not have.
    static func object(_ lease: LeaseDescription) -> JSONObject {
        var object = JSONObject()
        object.set("leaseKey", lease.shard.description)
        object.set("leaseOwner", lease.owner?.description)
        object.set("leaseCounter", Int64(clamping: lease.counter))
        Self.set(lease.checkpoint, in: &object)
        object.set("parentShardIds", .texts(lease.parents.map(\.description)))
        object.set("ownerSwitchesSinceCheckpoint", Int(lease.ownerSwitchesSinceCheckpoint))
        object.set("recordsBehind", Int64(clamping: lease.lag.records))
        object.set("millisBehind", lease.lag.millis)
        object.set("handingOverTo", lease.handingOverTo?.description)
        object.set("resetReason", lease.reset?.reason)
        object.set("resetAt", lease.reset.map { .time($0.atMillis) } ?? .null)
        return object
    }

    private static func set(_ checkpoint: LeaseCheckpoint, in object: inout JSONObject) {
        var (text, subSequence, time) = (checkpoint.description, Int64?.none, JSONObject.Value.null)
        switch checkpoint {
        case .at(let moment): (text, time) = ("AT_TIMESTAMP", .time(moment.millisecondsSince1970))
        case .sequenceNumber(let number, let sub): (text, subSequence) = ("\(number)", sub.map { Int64(clamping: $0) })
        case .trimHorizon, .shardEnd: break
        }
        object.set("checkpoint", text)
        object.set("checkpointSubSequenceNumber", subSequence)
        object.set("checkpointTimestamp", time)
    }

    // MARK: Resets

    /// What was done, or with a dry run would be, a lease a line.
    static func write(_ resets: LeaseResets, isDryRun: Bool, to output: OutputBytes) {
        if resets.count == 0 { output.append("nothing to reset\n") }
        for reset in resets.leases {
            var line = "\(isDryRun ? "would reset" : "reset") \(reset.shard): "
            line += "\(Self.describe(reset.from)) -> \(Self.describe(reset.to))"
            if let owner = reset.owner { line += ", \(isDryRun ? "held by" : "taken from") \(owner)" }
            output.append(text: line + "\n")
        }
        let more = resets.count - resets.leases.count
        guard more > 0 else { return }
        output.append(
            text: "... and \(more) more leases, \(resets.count) in all"
                + (isDryRun ? "\n" : " (weir lease list shows where all of them stand)\n"))
    }
}

/// Applications as they are printed.
enum ApplicationText {
    static func write(_ applications: [ApplicationDescription], asJSON: Bool, to output: OutputBytes) {
        if asJSON {
            for application in applications { Self.object(application).write(to: output) }
        } else {
            var table = Table([
                ("APPLICATION", .left), ("WORKERS", .right), ("LEASES", .right), ("LAG RECORDS", .right),
                ("LAG MS", .right), ("CREATED", .left),
            ])
            for application in applications { table.append(Self.row(application)) }
            table.write(to: output)
        }
    }

    private static func row(_ application: ApplicationDescription) -> [String] {
        [
            application.name.description, "\(application.workers)", "\(application.leases)",
            "\(application.lag.records)", "\(application.lag.millis)",
            TimeText.describe(application.createdAtMillis / 1000 * 1000),
        ]
    }

    static func object(_ application: ApplicationDescription) -> JSONObject {
        var object = JSONObject()
        object.set("applicationName", application.name.description)
        object.set("workers", application.workers)
        object.set("leases", application.leases)
        object.set("recordsBehind", Int64(clamping: application.lag.records))
        object.set("millisBehind", application.lag.millis)
        object.set("createdAt", .time(application.createdAtMillis))
        return object
    }
}
