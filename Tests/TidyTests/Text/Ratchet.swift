// SPDX-License-Identifier: Apache-2.0
import Foundation

/// `config/tidy.json`: how large things may be, and the exceptions with their reasons. An exception is an exact number:
/// what becomes larger is refused, and what becomes smaller must lower the number, so that it never grows back.
struct Ratchet: Decodable {
    struct Exception: Decodable {
        let path: String
        /// Lines of the file, lines that are too long in it, the lines of its longest function, the stored properties
        /// of its widest type, or its functions with too few labels.
        let count: Int
        let reason: String
    }

    let fileLinesMax: Int
    let lineCharactersMax: Int
    let functionLinesMax: Int
    let storedPropertiesMax: Int
    /// Parameters of one function that a call does not name.
    let bareParametersMax: Int
    let longFiles: [Exception]
    let longLines: [Exception]
    let longFunctions: [Exception]
    let wideTypes: [Exception]
    let bareCalls: [Exception]

    static let path = "config/tidy.json"

    init(reading tree: Tree) throws {
        guard let file = tree.file(Self.path) else { throw LayerTable.Missing() }
        self = try JSONDecoder().decode(Ratchet.self, from: Data(file.text.utf8))
    }

    /// Compares what was counted over the limit with what is excepted.
    static func findings(_ counts: [String: Int], _ exceptions: [Exception], what: String) -> [Finding] {
        var findings: [Finding] = []
        for exception in exceptions {
            let count = counts[exception.path] ?? 0
            if exception.reason.split(separator: " ").count < 3 {
                findings.append(Finding(exception.path, "an exception in \(Self.path) says why in a sentence"))
            }
            if count < exception.count {
                let change = count == 0 ? "take it out" : "lower it to \(count)"
                findings.append(Finding(exception.path, "the exception in \(Self.path) is too wide now: \(change)"))
            } else if count > exception.count {
                findings.append(
                    Finding(exception.path, "\(count) \(what), \(exception.count) are excepted in \(Self.path)"))
            }
        }
        return findings
    }
}
