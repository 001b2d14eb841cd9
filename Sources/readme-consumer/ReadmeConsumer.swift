// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirConsumer
import WeirModel

struct Printer: RecordProcessor {
    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        for record in records { print(record.partitionKey, String(decoding: record.data, as: UTF8.self)) }
    }
}

@main
struct Program {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 7411
        let client = try await WeirClient.connect(host: "127.0.0.1", port: port)
        let worker = try Worker(
            client: client, stream: StreamName("visits"),
            configuration: WorkerConfiguration(application: ApplicationName("printer"))
        ) { _ in Printer() }
        try await worker.run()
    }
}
