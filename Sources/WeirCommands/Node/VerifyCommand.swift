// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check a data folder.", discussion: "Examples:\n  weir verify ./weir-data")
}
