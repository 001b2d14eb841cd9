// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirServer

@Suite struct SessionRegistryTests {
    private func fenced(_ registration: SessionRegistry<String>.Registration) -> String? {
        if case .fences(let holder) = registration { holder } else { nil }
    }

    private func isFirst(_ registration: SessionRegistry<String>.Registration) -> Bool {
        if case .first = registration { true } else { false }
    }

    private func isOutdated(_ registration: SessionRegistry<String>.Registration) -> Bool {
        if case .isOutdated(let error) = registration { error.code == .sessionFenced } else { false }
    }

    @Test func `The newest connection of a session is told of the one before it`() {
        let registry = SessionRegistry<String>()
        #expect(self.isFirst(registry.register(7, number: 0, connection: 1, "first")))
        #expect(self.isFirst(registry.register(8, number: 0, connection: 2, "other")))
        #expect(self.fenced(registry.register(7, number: 0, connection: 3, "second")) == "first")
        #expect(self.fenced(registry.register(7, number: 0, connection: 4, "third")) == "second")
    }

    @Test func `A connection that its client made earlier takes nothing over`() {
        let registry = SessionRegistry<String>()
        #expect(self.isFirst(registry.register(7, number: 2, connection: 1, "second")))
        #expect(self.isOutdated(registry.register(7, number: 1, connection: 2, "first")))
        #expect(self.isOutdated(registry.register(7, number: 0, connection: 3, "one that counts none")))
        #expect(self.fenced(registry.register(7, number: 2, connection: 4, "the same again")) == "second")
        #expect(self.fenced(registry.register(7, number: 3, connection: 5, "third")) == "the same again")
        registry.remove(7, connection: 5)
        #expect(self.isFirst(registry.register(7, number: 1, connection: 6, "nobody speaks for it any more")))
    }

    @Test func `The end of an older connection does not end the newer one's session`() {
        let registry = SessionRegistry<String>()
        _ = registry.register(7, number: 0, connection: 1, "first")
        _ = registry.register(7, number: 0, connection: 2, "second")
        registry.remove(7, connection: 1)
        #expect(registry.count == 1)
        #expect(self.fenced(registry.register(7, number: 0, connection: 3, "third")) == "second")
        registry.remove(7, connection: 3)
        #expect(registry.count == 0)
        #expect(self.isFirst(registry.register(7, number: 0, connection: 4, "fourth")))
    }
}
