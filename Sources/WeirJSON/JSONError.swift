// SPDX-License-Identifier: Apache-2.0

/// Why a text is not the JSON that its reader takes: where, and what is allowed there.
package struct JSONError: Error, Hashable, CustomStringConvertible {
    package enum Problem: Hashable, Sendable {
        /// Something else stands there: what is allowed, as the beginning of a sentence.
        case expected(String)
        /// A backslash with what JSON does not know behind it.
        case escape
        /// `\ud800` to `\udfff` that is not one half of a pair.
        case surrogate
        /// A byte below 32 in a string.
        case control
        /// A string is not UTF-8.
        case encoding
        case depth(max: Int)
        /// A number of more bytes than a reader takes.
        case number(max: Int)
        /// A whole text of more bytes than a reader takes.
        case length(Int, max: Int)
        /// What the reader says of a value that is JSON and not what it takes; a whole sentence.
        case value(String)
    }

    /// Bytes before the fault, counted from the beginning of the text.
    package let offset: Int
    package let problem: Problem

    package init(_ problem: Problem, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    /// A clause that goes on behind a colon. Columns are bytes, and the first one is 1.
    package var description: String {
        let column = "column \(self.offset + 1)"
        return switch self.problem {
        case .expected(let what): "\(what) is expected at \(column)"
        case .escape:
            "a string holds an escape that JSON does not know at \(column); allowed are \\\" \\\\ \\/ \\b \\f \\n \\r "
                + "\\t, and \\u with four hexadecimal digits"
        case .surrogate:
            "half a surrogate pair in a string at \(column); \\ud800 to \\udbff stands before \\udc00 to \\udfff"
        case .control: "a string holds a control character at \(column); it has to be escaped"
        case .encoding: "a string is not UTF-8 at \(column)"
        case .depth(let max): "values are nested too deeply at \(column); \(max) levels are allowed"
        case .number(let max): "the number at \(column) is too long; \(max) bytes are allowed"
        case .length(let count, let max): "it has \(count) bytes; \(max) are allowed"
        case .value(let sentence): sentence
        }
    }
}
