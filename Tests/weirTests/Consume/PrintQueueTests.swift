// SPDX-License-Identifier: Apache-2.0
import CWeir
import Synchronization
import Testing
import WeirClient
import WeirConsumer
import WeirIO
import WeirModel
import WeirStorage

@testable import WeirCommands

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Processors print", .timeLimit(.minutes(2)))
struct PrintQueueTests {
    /// A pipe that nobody reads yet.
    private struct Pipe {
        let ends: [Int32]

        init() {
            var ends: [Int32] = [0, 0]
            precondition(weir_pipe(&ends) == 0)
            signal(SIGPIPE, SIG_IGN)
            self.ends = ends
        }

        /// Whoever still writes has an error then; its end stays, so that it writes into nothing else.
        func close() { closeDescriptor(self.ends[0]) }

        /// As many lines as come until so many were read.
        func read(lines: Int) -> Int {
            var (found, bytes) = (0, [UInt8](repeating: 0, count: 64 << 10))
            while found < lines {
                let count = readDescriptor(self.ends[0], &bytes, bytes.count)
                guard count > 0 else { break }
                found += bytes[..<count].count { $0 == UInt8(ascii: "\n") }
            }
            return found
        }
    }

    /// So many records of a KiB.
    private func records(_ count: Int) -> UserRecords {
        let shard = ShardNumber(2)
        let records = (0..<count).map { index in
            UserRecord(
                Record(
                    sequenceNumber: SequenceNumber(
                        shardCreationSecond: 1000, shard: shard, index: UInt64(index), arrivalSecond: 2000),
                    partitionKey: "k", explicitHashKey: nil, data: [UInt8](repeating: 120, count: 1024),
                    approximateArrivalMillis: 2_000_500))
        }
        return UserRecords(records, shard: shard, millisBehindLatest: 0)
    }

    private func queue(_ pipe: Pipe) -> PrintQueue {
        PrintQueue(.people, descriptor: pipe.ends[1], onFailure: {})
    }

    @Test("With a reader everything is printed")
    func printed() async throws {
        let pipe = Pipe()
        defer { pipe.close() }
        let queue = self.queue(pipe)
        // On a thread of its own: those that tasks share are few, and must not block.
        let lines = Mutex(0)
        Thread.start("reader") {
            let count = pipe.read(lines: 1000)
            lines.withLock { $0 = count }
        }
        for _ in 0..<10 { try await queue.print(self.records(100)) }
        while lines.withLock({ $0 }) == 0 { await Task.yield() }
        #expect(lines.withLock { $0 } == 1000)
        queue.giveUp()
        #expect(!queue.hasLeftOut && queue.failure == nil)
    }

    @Test("Who is cancelled does not wait for the reader, and what he had not begun to print is not printed")
    func cancelled() async throws {
        let pipe = Pipe()
        defer { pipe.close() }
        let queue = self.queue(pipe)
        // More than a pipe holds.
        let first = Task { try await queue.print(self.records(1000)) }
        let second = Task { try await queue.print(self.records(1000)) }
        await Task.yield()
        for task in [second, first] {
            task.cancel()
            let result = await task.result
            #expect(throws: CancellationError.self) { try result.get() }
        }
        #expect(!queue.hasLeftOut)
        queue.giveUp()
        #expect(queue.failure == nil)
    }

    @Test("When it gives up nobody waits, and it says that something is left out", arguments: [1, 2, 5])
    func givesUp(_ shards: Int) async throws {
        let pipe = Pipe()
        defer { pipe.close() }
        let queue = self.queue(pipe)
        let tasks = (0..<shards).map { _ in Task { try await queue.print(self.records(1000)) } }
        queue.giveUp()
        for task in tasks {
            let result = await task.result
            #expect(throws: ProcessorStops.self) { try result.get() }
        }
        // It can be asked although its thread still waits.
        #expect(queue.hasLeftOut && queue.failure == nil)
        await #expect(throws: ProcessorStops.self) { try await queue.print(self.records(1)) }
    }
}

// The names of these calls are also those of functions here.
private func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }

private func readDescriptor(_ descriptor: Int32, _ memory: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, memory, count)
}
