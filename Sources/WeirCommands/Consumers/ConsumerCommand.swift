// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirJSON
import WeirModel

struct ConsumerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumer", abstract: "Register, list and deregister consumers with a read rate of their own.",
        subcommands: [
            ConsumerRegisterCommand.self, ConsumerListCommand.self, ConsumerDeregisterCommand.self,
        ])
}

struct ConsumerRegisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Give a consumer a read rate of its own in each shard.",
        discussion: """
            All other readers of a shard share one. A stream has at most \(Limits.consumersPerStream) registered \
            consumers.

            Examples:
              weir consumer register access fraud
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "1 to 128 of a-z, A-Z, 0-9, '_', '.' and '-'.", transform: Arguments.consumer)
    var name: ConsumerName
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        _ = try await self.connection.withClient { client in
            try await client.registerConsumer(try await client.describeStream(self.stream).id, self.name)
        }
        try StandardOutput.write("registered consumer \(self.name) of \(self.stream)\n")
    }
}

struct ConsumerListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the registered consumers of a stream.",
        discussion: """
            Examples:
              weir consumer list access
              weir consumer list access --json
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @OptionGroup var format: JSONOption
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let consumers = try await self.connection.withClient { client in
            try await client.consumers(try await client.describeStream(self.stream).id)
        }
        let output = StandardOutput()
        ConsumerText.write(consumers, asJSON: self.format.json, to: output.bytes)
        try output.flush()
    }
}

struct ConsumerDeregisterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deregister", abstract: "Take a consumer's own read rate away; its reading ends.",
        discussion: """
            Examples:
              weir consumer deregister access fraud
            """)

    @Argument(help: "The stream.", transform: Arguments.stream)
    var stream: StreamName
    @Argument(help: "The consumer.", transform: Arguments.consumer)
    var name: ConsumerName
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await self.connection.withClient { client in
            try await client.deregisterConsumer(try await client.describeStream(self.stream).id, self.name)
        }
        try StandardOutput.write("deregistered consumer \(self.name) of \(self.stream)\n")
    }
}

/// Registered consumers as they are printed.
enum ConsumerText {
    static func write(_ consumers: [ConsumerDescription], asJSON: Bool, to output: OutputBytes) {
        if asJSON {
            for consumer in consumers { Self.object(consumer).write(to: output) }
        } else {
            var table = Table([("CONSUMER", .left), ("CREATED", .left)])
            for consumer in consumers {
                table.append([consumer.name.description, TimeText.describe(consumer.createdAtMillis / 1000 * 1000)])
            }
            table.write(to: output)
        }
    }

    static func object(_ consumer: ConsumerDescription) -> JSONObject {
        var object = JSONObject()
        object.set("consumerName", consumer.name.description)
        object.set("createdAt", .time(consumer.createdAtMillis))
        return object
    }
}
