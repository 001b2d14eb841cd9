// SPDX-License-Identifier: Apache-2.0
import Foundation
import WeirKit

struct Printer: RecordProcessor {
    func processRecords(_ records: UserRecords, checkpointer: Checkpointer) async throws {
        for record in records { print(record.partitionKey, String(decoding: record.data, as: UTF8.self)) }
        // Records count as processed when this returns: they must have left the program by then.
        guard fflush(nil) == 0 else { throw POSIXError(.EIO) }
    }
}

@main
struct Program {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 7411
        try await WeirClient.withClient(ClientConfiguration(host: "127.0.0.1", port: port)) { client in
            let worker = try Worker(
                client: client, stream: StreamName("visits"),
                configuration: WorkerConfiguration(application: ApplicationName("printer"))
            ) { _ in Printer() }
            // Ctrl-C and SIGTERM finish what is being processed, and give the shards to the others.
            let signals = [SIGINT, SIGTERM].map { number in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { worker.shutdown() }
                source.resume()
                return source
            }
            try await worker.run()
            signals.forEach { $0.cancel() }
        }
    }
}
