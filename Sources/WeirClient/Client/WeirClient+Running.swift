// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How long a client lives.
extension WeirClient {
    /// Connects, gives `body` the client, and closes it when `body` returns or throws. Throws what connecting and
    /// `body` throw.
    ///
    /// ```swift
    /// try await WeirClient.withClient { client in
    ///     let producer = try await client.producer(StreamName("visits"))
    ///     _ = try await producer.put(key: "alice", data: Array("opened the door".utf8))
    ///     try await producer.finish()
    /// }
    /// ```
    public static func withClient<Result>(
        _ configuration: ClientConfiguration = ClientConfiguration(), isolation: isolated (any Actor)? = #isolation,
        _ body: (WeirClient) async throws -> Result
    ) async throws -> Result {
        let client = try await Self.connect(configuration)
        do {
            let result = try await body(client)
            await client.close()
            return result
        } catch {
            await client.close()
            throw error
        }
    }

    /// For a task of its own beside those that use the client: returns when the client is closed. When the task is
    /// cancelled it drains the client (`drain`) and returns then.
    public func run() async {
        let completion = Completion<Void>()
        let isCancelled: Void? = try? await completion.wait {
            if !self.awaitClose(completion) { completion.finish(.success(())) }
        }
        guard isCancelled == nil else { return }
        // Cancelled: what is being put is finished all the same, by a task that is waited for.
        await Task { await self.drain() }.value
    }

    /// Lets producers store what they hold, for at most `ClientConfiguration.callTimeout`, and closes the client.
    public func drain() async {
        let producers = self.openProducers
        if !producers.isEmpty {
            let deadline = self.deadline(nil)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    // What one of them could not store its puts have thrown, to whom it concerns.
                    await withTaskGroup(of: Void.self) { finishing in
                        for producer in producers { finishing.addTask { try? await producer.finish() } }
                    }
                }
                group.addTask { try? await self.clock.sleep(until: deadline) }
                await group.next()
                group.cancelAll()
            }
        }
        await self.close()
    }
}
