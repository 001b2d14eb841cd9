// SPDX-License-Identifier: Apache-2.0

/// What an offline check of a data folder found.
package struct VerifyReport: Sendable {
    /// Bytes that are not what was written, or a file that is not what it should be.
    package struct Finding: Hashable, Sendable, CustomStringConvertible {
        package let file: String
        package let offset: Int
        package let length: Int
        package let problem: String

        package var description: String {
            self.length == 0 && self.offset == 0
                ? "\(self.file): \(self.problem)"
                : "\(self.file), bytes \(self.offset)..<\(self.offset + self.length): \(self.problem)"
        }
    }

    package internal(set) var findings: [Finding] = []
    /// What a crash leaves at the end of the log: something like a commit that is not whole, and nothing tells that it
    /// was ever acknowledged, which a start cuts off; or a footer that is not whole, which it writes again. No damage.
    package internal(set) var torn: [DamagedRange] = []
    package internal(set) var segments = 0
    package internal(set) var commits = 0
    package internal(set) var batches = 0
    package internal(set) var records = 0
    package internal(set) var snapshots = 0
    package internal(set) var bytes = 0
    /// Files that are not Weir's.
    package internal(set) var foreign: [String] = []
}
