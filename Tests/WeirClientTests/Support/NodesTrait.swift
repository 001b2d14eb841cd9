// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestNode

/// The tests of the suite start nodes, which go down with them.
struct NodesTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await RunningNodes.during(function)
    }
}

extension Trait where Self == NodesTrait {
    static var nodes: Self { Self() }
}
