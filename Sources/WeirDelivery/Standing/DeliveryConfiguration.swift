// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What somebody asks of a delivery, in the words of the command line. What is not said has its usual value.
package struct DeliveryConfiguration: Hashable, Sendable {
    /// 64 KiB to 16 GiB.
    package static let sizes: ClosedRange<Int64> = 64 << 10...16 << 30
    /// 0 to 15 minutes, in milliseconds.
    package static let ages: ClosedRange<Int64> = 0...900_000

    /// Of the path of a folder of a server, and of each name in it.
    private static let folderBytesMax = 512
    private static let folderNameBytesMax = 128

    /// The folder.
    package var to: String
    /// Where a new application begins.
    package var from = StreamStart.trimHorizon
    package var compression = "zstd"
    /// Of the compression; `nil` is its usual one.
    package var level: Int?
    /// Bytes at which a file gets its name, one of `sizes`.
    package var size: Int64 = 64 << 20
    package var countsBeforeCompression = false
    /// Milliseconds after its first record at which a file gets its name, one of `ages`.
    package var ageMillis: Int64 = 60_000
    package var prefix = ""
    package var errorPrefix = PrefixPattern.usualErrorText
    package var errorForm = ErrorForm.json
    /// Folders whose time is over get a manifest and a marker.
    package var hasManifests = false
    /// The field that says when a record happened; `nil`: its arrival does.
    package var eventTime: String?
    package var eventTimeForm = EventTime.Form.rfc3339
    package var timeZone = "UTC"
    package var format = RecordForm.Name.lines

    package init(to: String) {
        self.to = to
    }

    /// Throws `invalidArgument` with what is wrong, for a delivery of this stream.
    package func check(_ stream: StreamName) throws(WeirError) {
        guard Self.sizes.contains(self.size) else {
            throw WeirError(
                .invalidArgument,
                "a size of \(self.size) bytes is not allowed: \(Self.sizes.lowerBound) to \(Self.sizes.upperBound)")
        }
        guard Self.ages.contains(self.ageMillis) else {
            throw WeirError(
                .invalidArgument,
                "an age of \(self.ageMillis) ms is not allowed: \(Self.ages.lowerBound) to \(Self.ages.upperBound)")
        }
        let pattern = try self.pattern(stream)
        guard self.hasManifests, !pattern.hasPeriods else { return }
        throw WeirError(
            .invalidArgument,
            "--manifest needs folders that end: --prefix and --error-prefix have the year, and what is finer with all "
                + "between, before a slash, such as !{timestamp:yyyy/MM/dd}/")
    }

    /// The folder below `root`, which nothing in it leaves. Throws `invalidArgument` with what is allowed.
    package func place(below root: String) throws(WeirError) -> String {
        let parts = self.to.split(separator: "/", omittingEmptySubsequences: false)
        let isControl = self.to.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
        guard self.to.utf8.count <= Self.folderBytesMax, !isControl,
            parts.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && $0.utf8.count <= Self.folderNameBytesMax })
        else {
            throw WeirError(
                .invalidArgument,
                "a server delivers into no folder '\(self.to.prefix(100))': names with / between them are allowed, "
                    + "below the folder that it was started with, each of at most \(Self.folderNameBytesMax) bytes "
                    + "and without a dot at its beginning, together at most \(Self.folderBytesMax) bytes")
        }
        return "\(root)/\(self.to)"
    }

    package func compressed() throws(WeirError) -> Compression {
        try Compression(named: self.compression, level: self.level)
    }

    package func pattern(_ stream: StreamName) throws(WeirError) -> PrefixPattern {
        var time: EventTime?
        if let eventTime { time = try EventTime(eventTime, self.eventTimeForm) }
        return try PrefixPattern(
            self.prefix, errors: self.errorPrefix, offsetMinutes: try PrefixPattern.offset(self.timeZone),
            eventTime: time, fileNameBytes: try FileName.longest(stream, try self.compressed()))
    }

    /// What `ShardDelivery` needs to know. Throws as `check` does.
    package func settings(
        _ stream: StreamDescription, _ application: ApplicationName
    ) throws(WeirError) -> DeliverySettings {
        try self.check(stream.name)
        var settings = DeliverySettings(
            stream: stream.name, streamTag: FileName.tag(stream.id, createdMillis: stream.createdAtMillis),
            application: application, pattern: try self.pattern(stream.name),
            compression: try self.compressed(),
            files: DeliveryMachine.Settings(
                fileBytes: UInt64(self.size), measure: self.countsBeforeCompression ? .input : .compressed,
                fileNanos: UInt64(self.ageMillis) * 1_000_000), form: self.format.form)
        settings.errorForm = self.errorForm
        return settings
    }
}
