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

    /// Something in a file that is too large.
    struct Excess {
        /// Where it is, from 1; 0: the whole file.
        var line = 0
        /// How much of it counts against the exception of the file.
        let amount: Int
        let message: String
    }

    /// What is too large and not excepted, and what is wrong with the exceptions. `counted`: how the excesses of one
    /// file make the number of its exception.
    static func findings(
        in files: [Tree.File], _ exceptions: [Exception], what: String, counted: (Int, Int) -> Int,
        _ excesses: (Tree.File) -> [Excess]
    ) -> [Finding] {
        var findings: [Finding] = []
        var counts: [String: Int] = [:]
        for file in files {
            for excess in excesses(file) {
                counts[file.path] = counted(counts[file.path] ?? 0, excess.amount)
                if !exceptions.contains(where: { $0.path == file.path }) {
                    findings.append(Finding(file.path, line: excess.line, excess.message))
                }
            }
        }
        return findings + Self.compare(counts, exceptions, what)
    }

    private static func compare(_ counts: [String: Int], _ exceptions: [Exception], _ what: String) -> [Finding] {
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
