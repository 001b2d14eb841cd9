// SPDX-License-Identifier: Apache-2.0

/// `HOST:PORT`; an IPv6 address stands in brackets.
package struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package static let standard = ServerAddress(host: "127.0.0.1", port: 7411)

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `lowestPort` is 0 where the system may choose.
    package init(parsing text: String, lowestPort: Int = 1) throws(Failure) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            Int(port) >= lowestPort
        else { throw Self.refusal(text, lowestPort) }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Self.refusal(text, lowestPort)
        }
        guard !host.isEmpty, host.utf8.count <= 255, !host.contains(where: \.isWhitespace) else {
            throw Self.refusal(text, lowestPort)
        }
        self.host = String(host)
        self.port = Int(port)
    }

    /// Where this machine reaches a server that listens there: on every address means on the loopback one too.
    package static func reaching(host: String, port: Int) -> ServerAddress {
        switch host {
        case "0.0.0.0": ServerAddress(host: "127.0.0.1", port: port)
        case "::": ServerAddress(host: "::1", port: port)
        default: ServerAddress(host: host, port: port)
        }
    }

    private static func refusal(_ text: String, _ lowestPort: Int) -> Failure {
        .usage("'\(text.prefix(80))' is not HOST:PORT with a port from \(lowestPort) to 65535, such as 127.0.0.1:7411")
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}
