// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirDelivery
import WeirModel

extension EventTime.Form: ExpressibleByArgument {}
extension ErrorForm: ExpressibleByArgument {}

/// Where files of a delivery go.
struct PrefixOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What stands before the names of files: text, !{timestamp:yyyy/MM/dd} with a pattern of Java, "
                + "!{partitionKeyFromQuery:.field.inner} of records that are JSON objects, !{firehose:random-string}. "
                + "Without a time yyyy/MM/dd/HH/ is put behind it.", valueName: "prefix"))
    var prefix = ""
    @Option(
        help: ArgumentHelp(
            "The prefix of records that have not got the field which --prefix asks for.", valueName: "prefix"))
    var errorPrefix = PrefixPattern.usualErrorText
    @Option(
        help: ArgumentHelp(
            "How these stand in files: json, one object a line with errorCode, errorMessage and the record as "
                + "rawData in base64, or raw, as --format has it.", valueName: "format"))
    var errorFormat = ErrorForm.json
    @Option(
        help: ArgumentHelp(
            "Take !{timestamp:...} from this field of records that are JSON objects, such as .time, and not from their "
                + "arrival.", valueName: "field"))
    var eventTime: String?
    @Option(
        help: ArgumentHelp("How --event-time is written: rfc3339, seconds, milliseconds or microseconds since 1970."))
    var eventTimeFormat = EventTime.Form.rfc3339
    @Option(
        help: ArgumentHelp("The time zone of the prefix: UTC, or as +02:00.", valueName: "zone"))
    var timeZone = "UTC"
    @Flag(
        help:
            "Give each folder whose time is over a manifest, and a marker _SUCCESS, when all of its records are there.")
    var manifest = false

    /// Throws `invalidArgument` with what is wrong.
    func pattern(_ stream: StreamName, _ compression: Compression) throws(WeirError) -> PrefixPattern {
        var time: EventTime?
        if let eventTime { time = try EventTime(eventTime, self.eventTimeFormat) }
        return try PrefixPattern(
            self.prefix, errors: self.errorPrefix, offsetMinutes: try PrefixPattern.offset(self.timeZone),
            eventTime: time, fileNameBytes: try FileName.longest(stream, compression))
    }
}
