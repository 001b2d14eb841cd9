// SPDX-License-Identifier: Apache-2.0
import WeirModel

@testable import WeirClient

/// A lease of shard 0 that the worker `w1` of `billing` holds, as `Reader` quotes it.
struct HeldLease {
    let client: WeirClient
    let stream: StreamID
    let application: ApplicationName
    let counter: UInt64

    init(_ client: WeirClient, _ stream: StreamID) async throws {
        self.client = client
        self.stream = stream
        self.application = try ApplicationName("billing")
        let member = GroupMember(
            stream: stream, application: self.application,
            owner: LeaseOwner(worker: try WorkerID("w1"), incarnation: 1))
        var assignment = try await client.joinGroup(member, sessionTimeoutMillis: 300_000, from: .trimHorizon)
        while assignment.leases?.isEmpty ?? true {
            assignment = try await client.heartbeat(member, seen: assignment.version, wait: .seconds(1))
        }
        self.counter = assignment.leases?.first { $0.shard == ShardNumber(0) }?.counter ?? 0
    }

    func reader(consumer: ConsumerName? = nil) -> Reader {
        Reader(lease: .init(application: self.application, counter: self.counter), consumer: consumer)
    }

    /// An operator takes the shard away.
    func lose() async throws {
        try await self.client.resetLeases(
            self.stream, application: self.application, to: .trimHorizon, reason: "a test", isForced: true)
    }
}
