// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CWeirBuild
import WeirJSON

/// What this program is.
package enum Version {
    package static let number = "0.1.0"

    /// For people and for the server's Hello: `weir 0.1.0`.
    package static let text = "weir \(Version.number)"

    /// The commit that was built, where the build was told: `WEIR_COMMIT=... swift build`.
    static var commit: String? {
        let text = String(cString: weir_build_commit())
        return text.isEmpty ? nil : text
    }

    /// The compiler that built this program.
    static var swift: String {
        #if compiler(>=6.5)
        "6.5 or newer"
        #elseif compiler(>=6.4)
        "6.4"
        #elseif compiler(>=6.3.3)
        "6.3.3 or newer"
        #elseif compiler(>=6.3.2)
        "6.3.2"
        #elseif compiler(>=6.3.1)
        "6.3.1"
        #elseif compiler(>=6.3)
        "6.3"
        #else
        "6.2 or older"
        #endif
    }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Say which version of weir this is.",
        discussion: """
            Examples:
              weir version
              weir version --json
            """)

    @OptionGroup var format: JSONOption

    func run() throws {
        let output = StandardOutput()
        if self.format.json {
            var object = JSONObject()
            object.set("version", Version.number)
            object.set("swift", Version.swift)
            object.set("commit", Version.commit)
            object.write(to: output.bytes)
        } else {
            let commit = Version.commit.map { ", commit \($0)" } ?? ""
            output.bytes.append(text: "\(Version.text) (Swift \(Version.swift)\(commit))\n")
        }
        try output.flush()
    }
}
