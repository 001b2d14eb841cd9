// SPDX-License-Identifier: Apache-2.0
import CWeir
import WeirModel
import WeirProtocol

/// Many connections.
enum CrowdFaults {
    static let cases: [FaultCase] = [
        FaultCase("1,000 idle connections leave the server small and at work", Self.idleCrowd),
        FaultCase("a connection too many is told why and is welcome later", Self.oneTooMany),
    ]

    static let connections = 1000
    /// An idle server, as the design promises it, and what a silent connection may cost at most.
    static let idleBytesMax = 60 << 20
    static let connectionBytesMax = 32 << 10

    private static func idleCrowd(_ scene: Scene) async throws -> String {
        var limit: UInt64 = 0
        _ = weir_raise_open_files(&limit)
        try require(limit > UInt64(Self.connections) + 100, "this system allows a process only \(limit) open files")
        let server = try await scene.serve()
        try await server.provesThatItWorks()
        let before = try server.process.residentBytes()
        try require(before < Self.idleBytesMax, "an idle server takes \(before >> 20) MiB; at most 60 are promised")
        var crowd: [RawConnection] = []
        for number in 0..<Self.connections {
            let connection = try await RawConnection.open(server)
            // Half of them have said hello, the others only came.
            if number % 2 == 0 { try await connection.hello("idle") }
            crowd.append(connection)
        }
        try await server.provesThatItWorks()
        let during = try server.process.residentBytes()
        let allowed = Self.idleBytesMax + Self.connections * Self.connectionBytesMax
        try require(
            during < allowed, "\(during >> 20) MiB with \(crowd.count) idle connections; \(allowed >> 20) allowed")
        for number in stride(from: 0, to: 20, by: 2) { _ = try await crowd[number].call(Ping()) }
        crowd = []
        try await Waiting.until("the end of the crowd") {
            let connections = try await server.weir.succeed("status", "--json").json().first?["connections"]?.integer
            return (connections ?? 99) <= 1
        }
        let after = try server.process.residentBytes()
        return "resident: idle \(Self.mebibytes(before)), with 1,000 connections \(Self.mebibytes(during)), "
            + "after them \(Self.mebibytes(after))"
    }

    private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 19)) >> 20) MiB" }

    private static func oneTooMany(_ scene: Scene) async throws -> String {
        let server = try await scene.serve(["connections.max": "3"])
        var open: [RawConnection] = []
        for _ in 0..<3 {
            let connection = try await RawConnection.open(server)
            try await connection.hello()
            open.append(connection)
        }
        let fourth = try await RawConnection.open(server)
        try await fourth.send(try Hello(clientName: "fourth").frame(correlation: 1))
        let error = try await fourth.closing()
        try require(error.code == .limitExceeded, "closed with \(error.code.name): \(error.message)")
        try require(error.message.contains("3"), "what is allowed is not named: \(error.message)")
        for connection in open { _ = try await connection.call(Ping()) }
        open.removeLast()
        try await Waiting.until("room for one more") {
            let next = try await RawConnection.open(server)
            return (try? await next.hello()) != nil
        }
        return error.message
    }
}
