// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CWeir
import Logging
import NIOCore
import WeirIO
import WeirServer
import WeirStorage

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run a server.",
        discussion: """
            Keeps everything in one data folder, which is made when it is not there. Prints one line when it is ready \
            to take requests; Ctrl-C, SIGTERM or SIGHUP lets connected clients finish and stops it, a second one ends \
            it at once. Under nohup it does not hear SIGHUP; SIGUSR1 and SIGUSR2 mean nothing. The configuration is \
            read at the start only. What it tells on stderr never holds it up: lines that nobody reads in time are \
            dropped and counted.

            Its memory has a bound, whatever clients do: the settings under memory, together \
            \(MemoryBound.text(ServeSettings())) by default, and what each connection may keep (receive-buffer and \
            32KiB). What goes over a setting is refused or waits.

            What is given here wins over the configuration file, which config/weir.yaml of the sources explains.

            Examples:
              weir serve
              weir serve --data-dir /var/lib/weir --listen 127.0.0.1:7411
              weir serve --config weir.yaml --check-config
            """)

    @Option(help: ArgumentHelp("The data folder (default: ./weir-data).", valueName: "folder"))
    var dataDir: String?
    @Option(
        help: ArgumentHelp(
            "Where to listen (default: 127.0.0.1:7411); port 0 takes a free one. localhost is 127.0.0.1 and ::1.",
            valueName: "host:port"))
    var listen: String?
    @Option(help: ArgumentHelp("The configuration file.", valueName: "file"))
    var config: String?
    @Flag(help: "Say whether the configuration is right, print what it amounts to, and stop.")
    var checkConfig = false
    @Option(
        help: ArgumentHelp(
            "How long clients may finish when the server is stopped (default: 30s).", valueName: "duration"))
    var drain: String?
    @Flag(help: "Listen beyond this machine although nothing authenticates clients.")
    var insecure = false
    @Option(
        help: ArgumentHelp(
            "Bytes of log on disk (default: the smaller of 20GiB and a fifth of the disk).", valueName: "size"))
    var logMaxBytes: String?
    @Option(help: ArgumentHelp("\(Setting.levels.joined(separator: ", ")) (default: info).", valueName: "level"))
    var logLevel: String?
    @Option(
        help: ArgumentHelp(
            "How the log is written: direct past the page cache, buffered through it, or auto (the default).",
            valueName: "mode"))
    var writeMode: String?
    @Option(
        help: ArgumentHelp(
            "The folder below which 'weir deliver create' may have files written; without it nowhere.",
            valueName: "folder"))
    var deliverTo: String?
    @Flag(
        help: ArgumentHelp(
            "The clock is right: delete at once what has expired by it, although it differs from the log's own time."))
    var trustClock = false

    /// The flags that are settings too.
    private var flags: [(option: String, setting: String, value: String?)] {
        [
            ("--data-dir", "data-dir", self.dataDir), ("--listen", "listen", self.listen),
            ("--drain", "drain", self.drain), ("--insecure", "insecure", self.insecure ? "true" : nil),
            ("--log-max-bytes", "storage.log-max-bytes", self.logMaxBytes),
            ("--log-level", "log-level", self.logLevel), ("--write-mode", "storage.write-mode", self.writeMode),
            ("--deliver-to", "deliver-to", self.deliverTo),
        ]
    }

    func validate() throws {
        var settings = ServeSettings()
        try self.applyFlags(to: &settings)
    }

    private func applyFlags(to settings: inout ServeSettings) throws {
        for flag in self.flags {
            guard let value = flag.value, let setting = Setting.all.first(where: { $0.path == flag.setting }) else {
                continue
            }
            do {
                try setting.apply(value, to: &settings)
            } catch {
                throw ValidationError("'\(value)' is not allowed for \(flag.option): \(setting.allowed)")
            }
        }
    }

    /// Defaults, then the file, then the flags.
    func settings() throws -> ServeSettings {
        var settings = ServeSettings()
        if let config { try ConfigFile.read(config, into: &settings) }
        try self.applyFlags(to: &settings)
        // Of this start only, so it is no setting.
        settings.node.storage.trustsClock = self.trustClock
        do {
            try settings.configuration.validate()
        } catch {
            throw Failure(.failed, error.description)
        }
        return settings
    }

    func run() async throws {
        let settings = try self.settings()
        if self.checkConfig {
            try StandardOutput.write("# The configuration is right. It amounts to:\n" + ConfigFile.text(settings))
            return
        }
        var logger = Logger(label: "weir", factory: { _ in LineLogHandler() })
        logger.logLevel = settings.logLevel
        try await self.serve(settings, logger)
    }

    private func serve(_ settings: ServeSettings, _ logger: Logger) async throws {
        let configuration = settings.configuration
        try ServerDeliveries.check(settings)
        let node: Node
        do {
            node = try await Node.start(configuration, openFilesMax: OpenFiles.raise(), logger: logger)
        } catch {
            throw Failure(.failed, error.description)
        }
        for sentence in node.recoveryReport { logger.notice("\(sentence)") }
        let deliveries = ServerDeliveries(settings, node, logger)
        let addresses = node.addresses.map {
            ServerAddress(host: $0.ipAddress ?? configuration.host, port: $0.port ?? configuration.port).description
        }
        Self.tellReady(
            "\(Version.text) ready on \(addresses.joined(separator: " and ")), "
                + "data in \(configuration.storage.folder)\n",
            logger)
        let drain = Duration.milliseconds(settings.drainMillis)
        let reason = await Interrupts.whileRunning(finish: {
            logger.notice("stopping; connected clients may finish for \(DurationText.describe(settings.drainMillis))")
            deliveries?.stop()
            Task {
                // They need the node to finish their files.
                await deliveries?.ended(within: drain)
                await node.shutdown(drain: drain)
            }
        }) {
            async let delivering: Void? = deliveries?.run()
            let reason = await node.stopped
            deliveries?.stop()
            _ = await delivering
            return reason
        }
        if let reason { throw Failure(.failed, reason) }
        logger.notice("stopped")
    }

    /// A stdout that is full, closed, or not read is no reason not to serve: on a thread of its own.
    private static func tellReady(_ line: String, _ logger: Logger) {
        Thread.start("weir-ready") {
            do {
                try StandardOutput.write(line)
            } catch is OutputClosed {
                // Nobody wants to know.
            } catch {
                logger.warning("the line that says that it is ready was not written", metadata: ["reason": "\(error)"])
            }
        }
    }
}
