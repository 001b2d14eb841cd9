// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Logging
import WeirConsumer
import WeirModel

/// What every command that works for an application says of its worker.
struct WorkerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("What this worker is called (default: host, process and a random number).", valueName: "id"),
        transform: Arguments.worker)
    var worker: WorkerID?
    @Option(
        help: ArgumentHelp(
            "Where a new application begins: trim-horizon (the default), latest, a time (RFC 3339, or seconds or "
                + "milliseconds since 1970), or how long ago, such as 10m.", valueName: "position"),
        transform: ReadPosition.parseFrom)
    var from: ReadPosition?
    @Option(
        help: ArgumentHelp("How long this worker may be silent before others take over, 1s to 5m.", valueName: "time"),
        transform: Arguments.sessionTimeout)
    var sessionTimeout: Duration = Limits.sessionTimeoutDefault

    func validate() throws {
        if case .sequence? = self.from {
            throw ValidationError("--from with a sequence number is not possible here: it belongs to one shard")
        }
    }

    /// `serverMillis`: what the server's clock says, for a position that counts from it.
    func configuration(_ application: ApplicationName, serverMillis: Int64) throws(Failure) -> WorkerConfiguration {
        var configuration = WorkerConfiguration(application: application)
        if let worker { configuration.worker = worker }
        configuration.sessionTimeout = self.sessionTimeout
        if let from { configuration.initialPosition = try from.streamStart(serverMillis: serverMillis) }
        var logger = Logger(label: "weir", factory: { _ in LineLogHandler() })
        logger.logLevel = .warning
        configuration.logger = logger
        return configuration
    }
}
