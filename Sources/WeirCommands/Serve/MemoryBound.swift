// SPDX-License-Identifier: Apache-2.0

/// What a server may keep in memory beside what each connection has: the sum of the settings under `memory`.
enum MemoryBound {
    static func bytes(_ settings: ServeSettings) -> Int64 {
        Setting.all.filter { $0.path.hasPrefix("memory.") }
            .reduce(0) { $0 + ((try? SizeText.parse($1.show(settings))) ?? 0) }
    }

    static func text(_ settings: ServeSettings) -> String { SizeText.describe(Self.bytes(settings)) }
}
