// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirDelivery
import WeirModel

extension EventTime.Form: ExpressibleByArgument {}
extension RecordForm.Name: ExpressibleByArgument {}
extension ErrorForm: ExpressibleByArgument {}

/// What files of a delivery are like, and where they go. What is not given stays as it is.
struct DeliveryOptions: ParsableArguments {
    @Option(help: ArgumentHelp("zstd, gzip, lz4 or none (default: zstd).", valueName: "name"))
    var compression: String?
    @Option(
        help: ArgumentHelp("The compression's level (usually 3 for zstd, 6 for gzip, 1 for lz4).", valueName: "n"),
        transform: { try Arguments.number($0, 1...19) })
    var level: Int?
    @Option(
        help: ArgumentHelp(
            "A file gets its name at this size, 64KiB to 16GiB (default: 64MiB; with --until 256MiB).",
            valueName: "size"),
        transform: { try SizeText.parse($0, in: DeliveryConfiguration.sizes) })
    var size: Int64?
    @Flag(inversion: .prefixedNo, help: "Count --size before compression (default: behind it).")
    var sizeBeforeCompression: Bool?
    @Option(
        help: ArgumentHelp(
            "Or when its first record has waited so long, 0s to 15m (default: 1m).", valueName: "time"),
        transform: { try DurationText.parse($0, in: DeliveryConfiguration.ages) })
    var age: Int64?
    @Option(
        help: ArgumentHelp(
            "What stands before the names of files: text, !{timestamp:yyyy/MM/dd} with a pattern of Java, "
                + "!{partitionKeyFromQuery:.field.inner} of records that are JSON objects, !{firehose:random-string}. "
                + "Without a time yyyy/MM/dd/HH/ is put behind it.", valueName: "prefix"))
    var prefix: String?
    @Option(
        help: ArgumentHelp(
            "The prefix of records that have not got the field which --prefix asks for (default: "
                + "\(PrefixPattern.usualErrorText)).", valueName: "prefix"))
    var errorPrefix: String?
    @Option(
        help: ArgumentHelp(
            "How these stand in files: json (the default), one object a line with errorCode, errorMessage and the "
                + "record as rawData in base64, or raw, as --format has it.", valueName: "format"))
    var errorFormat: ErrorForm?
    @Option(
        help: ArgumentHelp(
            "Take !{timestamp:...} from this field of records that are JSON objects, such as .time, and not from their "
                + "arrival.", valueName: "field"))
    var eventTime: String?
    @Option(
        help: ArgumentHelp(
            "How --event-time is written: rfc3339 (the default), seconds, milliseconds or microseconds since 1970."))
    var eventTimeFormat: EventTime.Form?
    @Option(
        help: ArgumentHelp("The time zone of the prefix: UTC (the default), or as +02:00.", valueName: "zone"))
    var timeZone: String?
    @Option(
        help: ArgumentHelp("How records stand in files: lines (the default), json or raw.", valueName: "format"))
    var format: RecordForm.Name?

    @Flag(
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Give each folder whose time is over a manifest, and a marker _SUCCESS, when all of its records are there "
                + "(default: no)."))
    var manifest: Bool?

    func apply(to configuration: inout DeliveryConfiguration) {
        if let compression {
            configuration.compression = compression
            // Each compression has levels of its own.
            configuration.level = nil
        }
        if let level { configuration.level = level }
        if let size { configuration.size = size }
        if let sizeBeforeCompression { configuration.countsBeforeCompression = sizeBeforeCompression }
        if let age { configuration.ageMillis = age }
        if let prefix { configuration.prefix = prefix }
        if let errorPrefix { configuration.errorPrefix = errorPrefix }
        if let errorFormat { configuration.errorForm = errorFormat }
        if let manifest { configuration.hasManifests = manifest }
        if let eventTime { configuration.eventTime = eventTime }
        if let eventTimeFormat { configuration.eventTimeForm = eventTimeFormat }
        if let timeZone { configuration.timeZone = timeZone }
        if let format { configuration.format = format }
    }
}
