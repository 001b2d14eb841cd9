// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing
import WeirConsumer
import WeirDelivery
import WeirIO
import WeirModel

/// What goes wrong while no records come.
@Suite struct IdleTests {
    /// Whoever sleeps wakes at once, and it is as late as he wanted.
    private final class LeapingClock: Clock {
        private let now = Atomic<UInt64>(1)
        let wallMillis: Int64 = 0
        var monotonicNanos: UInt64 { self.now.load(ordering: .acquiring) }

        func schedule(at nanoseconds: UInt64, _ body: @escaping @Sendable () -> Void) {}
        func sleep(until nanoseconds: UInt64) async throws {
            try Task.checkCancellation()
            if nanoseconds > self.monotonicNanos { self.now.store(nanoseconds, ordering: .releasing) }
        }
    }

    /// Keeps one state, and no second one.
    private final class FullLease: LeaseHandle {
        let counter: UInt64 = 1
        let states = Mutex(0)

        func state() async throws(WeirError) -> [UInt8] { [] }
        func saveState(_ state: [UInt8], replacing: [UInt8]) async throws(WeirError) {
            let count = self.states.withLock { count in
                count += 1
                return count
            }
            guard count > 1 else { return }
            throw WeirError(
                .limitExceeded, "nothing more is kept", verdict: .init(maybeStored: false, retry: .never))
        }
        func checkpoint(at number: SequenceNumber) async throws {}
        func checkpointEnd() async throws {}
    }

    private final class Once: Sendable {
        private let state = Mutex(false)
        var isDone: Bool { self.state.withLock { $0 } }

        /// True for the first one only.
        func begins() -> Bool {
            self.state.withLock { isDone in
                defer { isDone = true }
                return !isDone
            }
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `What a file cannot be named for is told, though no records come`() async throws {
        let settings = DeliverySettings(
            stream: try StreamName("s"), streamTag: "1.a", application: try ApplicationName("deliver"),
            pattern: try PrefixPattern("a/"), compression: .none,
            files: DeliveryMachine.Settings(fileBytes: 1000, fileNanos: 1000),
            form: .data(delimiter: []), clock: LeapingClock())
        let folder = ForgetfulFolder()
        await withCheckedContinuation { told in
            let once = Once()
            let board = DeliveryBoard(onTrouble: { if once.begins() { told.resume() } })
            let shard = ShardDelivery(
                Samples.shard, settings, ForgetfulDestination(folder: folder, fuse: Fuse(at: nil)), board)
            Task {
                try await shard.begin(from: .trimHorizon, FullLease())
                try await shard.take(
                    UserRecords(
                        [UserRecord(Samples.record(0, arrivalMillis: 0))], shard: Samples.shard, millisBehindLatest: 0))
                // Kept until it has told.
                while !once.isDone { await Task.yield() }
                withExtendedLifetime(shard) {}
            }
        }
        #expect(folder.files.isEmpty)
    }
}
