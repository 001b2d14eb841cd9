// SPDX-License-Identifier: Apache-2.0
import WeirJSON
import WeirModel

/// Streams as they are printed.
enum StreamText {
    static func summary(_ stream: StreamDescription) -> String {
        let settings = stream.settings
        let cap = settings.maxBytes.map { ", newest \(SizeText.describe($0))" } ?? ""
        return "\(stream.name): \(CountText.describe(stream.openShards, "open shard")), retention "
            + "\(DurationText.describe(settings.retentionMillis))\(cap), limits \(settings.profile)"
    }

    static var table: Table {
        Table([
            ("NAME", .left), ("OPEN SHARDS", .right), ("RETENTION", .right), ("MAX SIZE", .right), ("LIMITS", .left),
            ("CREATED", .left),
        ])
    }

    static func row(_ stream: StreamDescription) -> [String] {
        [
            stream.name.description, String(stream.openShards),
            DurationText.describe(stream.settings.retentionMillis),
            stream.settings.maxBytes.map { SizeText.describe($0) } ?? "-",
            stream.settings.profile.description, TimeText.describe(stream.createdAtMillis / 1000 * 1000),
        ]
    }

    static func properties(_ stream: StreamDescription) -> Properties {
        let settings = stream.settings
        var properties = Properties()
        properties.append("name", stream.name.description)
        properties.append("id", String(stream.id.rawValue))
        properties.append("created", TimeText.describe(stream.createdAtMillis))
        properties.append("open shards", String(stream.openShards))
        properties.append("retention", DurationText.describe(settings.retentionMillis))
        properties.append("max size", settings.maxBytes.map { SizeText.describe($0) } ?? "none")
        properties.append("limits", Self.rates(settings.profile))
        properties.append("max record", SizeText.describe(Int64(settings.recordBytesMax)))
        if stream.horizonMillis > 0 {
            properties.append("trim horizon", TimeText.describe(stream.horizonMillis))
        }
        return properties
    }

    /// The profile's name, and what it means.
    private static func rates(_ profile: LimitsProfile) -> String {
        let limits = profile.rates
        let rates = [
            limits.bytesIn.map { "\(SizeText.describe($0))/s in" },
            limits.recordsIn.map { "\(CountText.describe($0)) records/s in" },
            limits.bytesOut.map { "\(SizeText.describe($0))/s out" },
            limits.readsOut.map { "\(CountText.describe($0)) reads/s out" },
        ].compactMap { $0 }
        if rates.isEmpty { return "\(profile) (no rate limit)" }
        return "\(profile) (each shard: \(rates.joined(separator: ", ")))"
    }

    static func object(_ stream: StreamDescription) -> JSONObject {
        let settings = stream.settings
        var object = JSONObject()
        object.set("streamName", stream.name.description)
        object.set("streamId", String(stream.id.rawValue))
        object.set("openShardCount", stream.openShards)
        object.set("retentionMillis", settings.retentionMillis)
        object.set("maxSizeBytes", settings.maxBytes)
        object.set("limits", settings.profile.description)
        object.set("maxRecordBytes", settings.recordBytesMax)
        object.set("mapVersion", .integer(Int64(clamping: stream.mapVersion)))
        object.set("createdAt", .time(stream.createdAtMillis))
        object.set("trimHorizon", stream.horizonMillis > 0 ? .time(stream.horizonMillis) : .null)
        return object
    }
}
