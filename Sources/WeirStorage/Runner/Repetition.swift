// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Tells what is said for the first time from what was said before: upkeep that fails is tried again for ever, and one
/// line a failure would bury the operator's log. Remembers the last few sentences.
final class Repetition: Sendable {
    private let said = Mutex<[String]>([])
    private static let max = 8

    func isNews(_ sentence: String) -> Bool {
        self.said.withLock { said in
            if said.contains(sentence) { return false }
            said.append(sentence)
            if said.count > Self.max { said.removeFirst() }
            return true
        }
    }
}
