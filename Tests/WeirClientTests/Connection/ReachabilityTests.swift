// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel

@testable import WeirClient

@Suite("Whether the server can be reached")
struct ReachabilityTests {
    private static let away = WeirError(.unavailable, "connection refused")
    private static let slow = WeirError(.timedOut, "no answer")

    @Test("Each change is told once; the first attempt tells who has made it")
    func changes() {
        let table: [(attempts: [WeirError?], notices: [ConnectionNotice])] = [
            ([], []), ([nil], []), ([nil, nil], []), ([Self.away], []), ([Self.away, Self.away, nil], []),
            ([nil, Self.away], [.lost(Self.away)]),
            ([nil, Self.slow, Self.away, Self.away], [.lost(Self.slow)]),
            ([nil, Self.away, nil, nil], [.lost(Self.away), .restored]),
            ([nil, Self.away, nil, Self.slow], [.lost(Self.away), .restored, .lost(Self.slow)]),
            ([Self.away, nil, Self.away], [.lost(Self.away)]),
            // That the server does not want the client is no matter of reaching it.
            ([nil, WeirError(.unsupportedVersion, "too old"), nil], []),
            ([nil, Self.away, WeirError(.notAuthorized, "no"), nil], [.lost(Self.away), .restored]),
        ]
        for row in table {
            var reachability = Reachability()
            let notices = row.attempts.compactMap { reachability.attempted($0) }
            #expect(notices == row.notices, "\(row.attempts)")
        }
    }
}
