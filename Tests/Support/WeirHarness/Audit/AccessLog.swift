// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A web server's log that is made up.
package enum AccessLog {
    /// Lines as a web server writes them, each of them once, from clients of which a few come again and again.
    package static func made(_ lines: Int, seed: UInt64) -> String {
        var random = SeededRandom(seed)
        let clients = (0..<1700).map { _ in
            (0..<4).map { _ in String(Int.random(in: 1...254, using: &random)) }.joined(separator: ".")
        }
        let paths = ["/", "/favicon.ico", "/blog/tags/web", "/images/a%20b.png", "/projects/xdotool/"]
        let agents = ["Mozilla/5.0 (X11; Linux x86_64)", "Tiny Tiny RSS/1.11", "-", "B\u{f6}t/1.0 (\"quoted\")"]
        return (0..<lines).map { line in
            let range = Int.random(in: 0..<3, using: &random) == 0 ? clients.count : 40
            let client = clients[Int.random(in: 0..<range, using: &random)]
            let path = paths[Int.random(in: 0..<paths.count, using: &random)]
            let agent = agents[Int.random(in: 0..<agents.count, using: &random)]
            let bytes = Int.random(in: 0..<300_000, using: &random)
            return "\(client) - - [17/May/2015:10:05:\(String(format: "%02d", line % 60)) +0000] \"GET \(path)?\(line) "
                + "HTTP/1.1\" 200 \(bytes) \"-\" \"\(agent)\"\n"
        }.joined()
    }
}
