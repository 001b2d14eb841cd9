// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import WeirClient
import WeirModel

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where the server is: `--server`, else the environment, else the usual place.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the server listens (default: WEIR_SERVER, else 127.0.0.1:7411).", valueName: "host:port"),
        transform: { try ServerAddress(parsing: $0) })
    var server: ServerAddress?

    /// Throws a usage error for a WEIR_SERVER that is not an address.
    func address(environment: String? = getenv("WEIR_SERVER").map { String(cString: $0) }) throws -> ServerAddress {
        if let server { return server }
        guard let environment, !environment.isEmpty else { return .standard }
        do {
            return try ServerAddress(parsing: environment)
        } catch {
            throw Failure.usage("WEIR_SERVER: \(error.description)")
        }
    }

    func clientConfiguration() throws -> ClientConfiguration {
        let address = try self.address()
        return ClientConfiguration(host: address.host, port: address.port, name: "weir-cli \(Version.number)")
    }

    /// For a command that goes on while the server is away: `trying` says for how long. It tells so once, and when the
    /// server is back.
    func clientConfiguration(trying: String) throws -> ClientConfiguration {
        var configuration = try self.clientConfiguration()
        let address = try self.address()
        configuration.onConnection = { notice in
            switch notice {
            case .lost(let error): Messages.write("\(error.message); it is tried again \(trying)")
            case .restored: Messages.write("connected to \(address) again")
            }
        }
        return configuration
    }

    /// Runs `body` with a client that is connected. `trying`: see `clientConfiguration`; `nil` for commands that end
    /// when the server does.
    func withClient<R>(
        trying: String? = nil, _ change: (inout ClientConfiguration) -> Void = { _ in },
        _ body: (WeirClient) async throws -> R
    ) async throws -> R {
        var configuration =
            try trying.map { try self.clientConfiguration(trying: $0) } ?? self.clientConfiguration()
        change(&configuration)
        return try await WeirClient.withClient(configuration, body)
    }
}

/// `--json` of commands that otherwise print for people.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print one JSON object a line.")
    var json = false
}
