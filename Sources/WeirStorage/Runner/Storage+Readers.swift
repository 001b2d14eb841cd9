// SPDX-License-Identifier: Apache-2.0

extension Storage: LogHolder {
    package func withCore<R, E: Error>(_ body: (LogCore) throws(E) -> R) throws(E) -> R {
        try self.monitor.withLock { running throws(E) in try body(running.core) }
    }

    package func tellDamage(_ sentence: String) { self.handler(.notice(sentence)) }
}
