// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirServer

@Suite struct SessionRegistryTests {
    @Test func `The newest connection of a session is told of the one before it`() {
        let registry = SessionRegistry<String>()
        #expect(registry.register(7, connection: 1, "first") == nil)
        #expect(registry.register(8, connection: 2, "other") == nil)
        #expect(registry.register(7, connection: 3, "second") == "first")
        #expect(registry.register(7, connection: 4, "third") == "second")
    }

    @Test func `The end of an older connection does not end the newer one's session`() {
        let registry = SessionRegistry<String>()
        _ = registry.register(7, connection: 1, "first")
        _ = registry.register(7, connection: 2, "second")
        registry.remove(7, connection: 1)
        #expect(registry.count == 1)
        #expect(registry.register(7, connection: 3, "third") == "second")
        registry.remove(7, connection: 3)
        #expect(registry.count == 0)
        #expect(registry.register(7, connection: 4, "fourth") == nil)
    }
}
