// SPDX-License-Identifier: Apache-2.0
import Logging
import ServiceLifecycle
import WeirKit
import WeirServices

// The program of the article "Getting started": each snippet of it stands here, and a test compares them.

func put() async throws {
    try await WeirClient.withClient { client in
        let stream = try StreamName("visits")
        try await client.createStream(stream, shards: 2)
        let producer = try await client.producer(stream)
        let receipt = try await producer.put(key: "alice", data: Array("opened the door".utf8))
        print("stored in \(receipt.shard) as \(receipt.sequenceNumber)")
        try await producer.finish()
    }
}

func read() async throws {
    try await WeirClient.withClient { client in
        let stream = try await client.describeStream(StreamName("visits"))
        for try await record in client.records(stream.id, from: .trimHorizon, until: .tip).records {
            print(record.partitionKey, String(decoding: record.data, as: UTF8.self))
        }
    }
}

struct Printer: RecordProcessor {
    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        for record in records { print(record.partitionKey, String(decoding: record.data, as: UTF8.self)) }
    }
}

func work(for time: Duration) async throws {
    try await WeirClient.withClient { client in
        let configuration = WorkerConfiguration(application: try ApplicationName("printer"))
        let worker = try Worker(client: client, stream: StreamName("visits"), configuration: configuration) { _ in
            Printer()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            try await Task.sleep(for: time)
            worker.shutdown()
            try await group.waitForAll()
        }
    }
}

func serve(_ client: WeirClient, _ worker: Worker) async throws {
    let group = ServiceGroup(
        services: [ClientService(client), WorkerService(worker)], gracefulShutdownSignals: [.sigterm, .sigint],
        logger: Logger(label: "printer"))
    try await group.run()
}

@main
struct GettingStarted {
    static func main() async throws {
        try await put()
        try await read()
        try await work(for: .seconds(5))
    }
}
