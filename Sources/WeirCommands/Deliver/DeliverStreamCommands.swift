// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirDelivery
import WeirModel

/// Which delivery of a server.
struct DeliveryOfServer: ParsableArguments {
    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Option(
        help: ArgumentHelp("The name of the delivery, and of its application.", valueName: "name"),
        transform: Arguments.application)
    var app: ApplicationName?

    /// What it is called when nobody says so.
    static let usualName = "deliver"

    var application: ApplicationName { get throws { try self.app ?? ApplicationName(Self.usualName) } }

    func find(_ client: WeirClient) async throws -> DeliveryStream {
        let application = try self.application
        let stream = try await client.describeStream(self.stream)
        if let found = try await client.deliveries(of: stream.id).first(where: { $0.application == application }) {
            return found
        }
        throw WeirError(.deliveryNotFound, "stream '\(self.stream)' has no delivery '\(application)' in this server")
    }
}

struct DeliverCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Have a server deliver a stream into files, from now on and after restarts.",
        discussion: """
            The server needs 'weir serve --deliver-to FOLDER', and writes below that folder only. A stream has at most \
            \(Limits.deliveriesPerStream) deliveries, each with a name (--app) and a folder of its own.

            Examples:
              weir deliver create access --to access
              weir deliver create access --to hourly/access --compression gzip --size 128MiB --age 15m
              weir deliver create events --to events --app by-status --prefix 'status=!{partitionKeyFromQuery:.status}/'
            """)

    @OptionGroup var which: DeliveryOfServer
    @Option(
        help: ArgumentHelp("A folder below the server's; it is made when it is not there.", valueName: "folder"))
    var to: String
    @Option(
        help: ArgumentHelp(
            "Where a new application begins: trim-horizon (the default), latest, a time (RFC 3339, or seconds or "
                + "milliseconds since 1970), or how long ago, such as 10m.", valueName: "position"),
        transform: ReadPosition.parseFrom)
    var from: ReadPosition?
    @OptionGroup var files: DeliveryOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if case .sequence? = self.from {
            throw ValidationError("--from with a sequence number is not possible here: it belongs to one shard")
        }
        do {
            try DeliveryHost.check(try self.configuration(serverMillis: 0).text, self.which.stream)
        } catch let error as WeirError {
            throw ValidationError(error.message)
        }
    }

    private func configuration(serverMillis: Int64) throws -> DeliveryConfiguration {
        var configuration = DeliveryConfiguration(to: self.to)
        if let from { configuration.from = try from.streamStart(serverMillis: serverMillis) }
        self.files.apply(to: &configuration)
        return configuration
    }

    func run() async throws {
        let application = try self.which.application
        try await self.connection.withClient { client in
            let stream = try await client.describeStream(self.which.stream)
            let millis = try await client.serverMillis(for: self.from)
            try await client.createDelivery(stream.id, application, try self.configuration(serverMillis: millis).text)
        }
        try StandardOutput.write("created delivery \(application) of \(self.which.stream) into \(self.to)\n")
    }
}

struct DeliverUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change what a server's delivery does with what comes; the rest stays.",
        discussion: """
            Files that are open are finished as they were begun. The folder stays: for another one make another \
            delivery.

            Examples:
              weir deliver update access --size 256MiB
              weir deliver update access --app hourly --compression gzip --level 9
            """)

    @OptionGroup var which: DeliveryOfServer
    @OptionGroup var files: DeliveryOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let isNews = try await self.connection.withClient { client in
            let found = try await self.which.find(client)
            var configuration = try DeliveryConfiguration(parsing: found.configuration)
            self.files.apply(to: &configuration)
            try await client.updateDelivery(found.stream, found.application, configuration.text)
            return configuration.text != found.configuration
        }
        let name = "delivery \(try self.which.application) of \(self.which.stream)"
        try StandardOutput.write(isNews ? "updated \(name)\n" : "\(name) is as it was\n")
    }
}

struct DeliverDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Have a server deliver no more.",
        discussion: """
            Files that are open are finished, and all files stay. So does how far it came: a delivery of the same name \
            and folder goes on there, 'weir lease delete STREAM --app NAME' forgets it.

            Examples:
              weir deliver delete access
              weir deliver delete events --app by-status
            """)

    @OptionGroup var which: DeliveryOfServer
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let application = try self.which.application
        try await self.connection.withClient { client in
            try await client.deleteDelivery(try await client.describeStream(self.which.stream).id, application)
        }
        try StandardOutput.write("deleted delivery \(application) of \(self.which.stream)\n")
    }
}

struct DeliverListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the deliveries that a server runs by itself.",
        discussion: """
            Examples:
              weir deliver list
              weir deliver list access --json
            """)

    @Argument(help: "Only those of this stream.", transform: Arguments.stream)
    var stream: StreamName?
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let deliveries = try await self.connection.withClient { client in
            guard let stream else { return try await client.deliveries() }
            return try await client.deliveries(of: try await client.describeStream(stream).id)
        }
        let output = StandardOutput()
        try DeliveryText.write(deliveries, asJSON: self.format.json, to: output.bytes)
        try output.flush()
    }
}

struct DeliverDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Say what a server's delivery is asked for, and how it goes.",
        discussion: """
            Examples:
              weir deliver describe access
              weir deliver describe events --app by-status --json
            """)

    @OptionGroup var which: DeliveryOfServer
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let found = try await self.connection.withClient { client in try await self.which.find(client) }
        let output = StandardOutput()
        if self.format.json {
            try DeliveryText.write([found], asJSON: true, to: output.bytes)
        } else {
            try DeliveryText.write(found, to: output.bytes)
        }
        try output.flush()
    }
}
