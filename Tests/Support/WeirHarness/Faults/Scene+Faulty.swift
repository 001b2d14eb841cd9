// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

extension Scene {
    /// A server whose clock and disk do what the page says.
    package func serve(
        _ settings: KeyValuePairs<String, String> = [:], faults: FaultPage, data: String? = nil, port: Int = 0
    ) async throws -> ServerProcess {
        let process = try await self.startServer(settings, data: data, port: port, environment: faults.environment)
        let server = try await ServerProcess.ready(process, self.weir, folder: data ?? self.data)
        try faults.checkLoaded()
        return server
    }

    /// Small segments, so that little data fills many.
    static let smallSegments: KeyValuePairs<String, String> = [
        "storage.log-max-bytes": "64MiB", "storage.segment-min": "4MiB", "storage.segment-max": "4MiB",
    ]
}

extension ServerProcess {
    /// Waits until it has said this on its stderr, whatever the case.
    func saying(_ words: [String], within: Duration = .seconds(20)) async throws -> String {
        try await Waiting.value("the server to say '\(words.joined(separator: "' and '"))'", within: within) {
            if let ending = self.process.ending { throw HarnessError("the server ended with \(ending)") }
            return self.process.errors.lines.first { line in
                let line = line.lowercased()
                return words.allSatisfy { line.contains($0) }
            }
        }
    }

    /// The number of that name in the server's status.
    func number(_ name: String) async throws -> Int64 {
        let status = try await self.weir.succeed("status", "--json")
        return try require(try status.json().first?[name]?.integer, "no number '\(name)' in \(status)")
    }

    /// All records of a stream that can be read now, as lines.
    func lines(of stream: String, _ more: String...) async throws -> [String] {
        try await self.weir.run(["get", stream, "--from", "trim-horizon", "--raw"] + more).expect(0).lines
    }
}

/// Large records that fill a log, each with its number in front.
struct Filler {
    let connection: RawConnection
    private let data: [UInt8]
    private var next: UInt64 = 0

    static let bytes = 1_000_000

    /// `after`: so many records were put before.
    init(_ server: ServerProcess, after: UInt64 = 0) async throws {
        self.connection = try await RawConnection.open(server)
        try await self.connection.hello()
        self.data = [UInt8](repeating: 120, count: Self.bytes)
        self.next = after
    }

    func close() { self.connection.close() }

    /// Puts one record. `nil` when it was stored, else why it was not.
    mutating func put(_ stream: StreamID) async throws -> WeirError.Code? {
        let mark = Array("\(self.next + 1) ".utf8)
        let record = (key: "k", data: mark + self.data.dropFirst(mark.count))
        do {
            let refusal = try await self.connection.put(stream, [record], correlation: 1000 + self.next)[0]
            if refusal == nil { self.next += 1 }
            return refusal
        } catch let error as WeirError {
            return error.code
        }
    }

    /// Puts so many records, trying again while the log is full; throws when one is refused for all of `patience`.
    mutating func fill(
        _ stream: StreamID, records: Int, patience: Duration = .seconds(20), _ what: String
    ) async throws {
        let clock = ContinuousClock()
        for record in 0..<records {
            let deadline = clock.now + patience
            while let refusal = try await self.put(stream) {
                try require(
                    clock.now < deadline, "\(what): record \(record) of \(records) is refused: \(refusal.name)")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Puts until the log is full. Returns how many records were stored.
    mutating func fillUp(_ stream: StreamID) async throws -> Int {
        for stored in 0..<200 {
            if let refusal = try await self.put(stream) {
                try require(refusal == .storageFull, "after \(stored) records: \(refusal.name)")
                return stored
            }
        }
        throw HarnessError("200 MB fitted into a log of 64 MiB")
    }
}
