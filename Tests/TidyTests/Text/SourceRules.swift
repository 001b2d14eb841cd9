// SPDX-License-Identifier: Apache-2.0

/// What every source file keeps: a licence, nothing left undone, and a reason beside what the compiler cannot check.
enum SourceRules {
    static func findings(in tree: Tree) -> [Finding] {
        tree.files.filter(\.isSource).flatMap { file in
            Self.licence(of: file) + Self.leftovers(in: file) + Self.unreasoned(in: file) + Self.staticLocks(in: file)
        }
    }

    private static let identifier = "SPDX-License-" + "Identifier: Apache-2.0"

    /// The first line, or the second behind a line that must be first (`#!`, `// swift-tools-version`).
    static func licence(of file: Tree.File) -> [Finding] {
        if file.path == Manifest.path || file.path.hasSuffix("/" + Manifest.path) { return [] }
        let comment = (file.isScript || file.fileExtension == "py" ? "# " : "// ") + Self.identifier
        let line = file.isScript ? 1 : 0
        if file.lines.indices.contains(line), file.lines[line] == comment { return [] }
        return [Finding(file.path, line: line + 1, "'\(comment)' stands here")]
    }

    // Divided, so that this file passes its own gate.
    private static let marks = ["TO" + "DO", "FIX" + "ME"]

    static func leftovers(in file: Tree.File) -> [Finding] {
        file.lines.enumerated().compactMap { position, line in
            Self.marks.contains(where: line.containsWord)
                ? Finding(file.path, line: position + 1, "left undone: do it, or open an issue") : nil
        }
    }

    private static let unsafe = ["@unchecked Sendable", "nonisolated(unsafe)", "try!"]
    /// A reason stands at most so many lines before or after.
    private static let reach = 3

    static func unreasoned(in file: Tree.File) -> [Finding] {
        guard file.isSwift else { return [] }
        let masked = file.masked
        var findings: [Finding] = []
        for (position, line) in masked.code.enumerated() {
            guard let word = Self.unsafe.first(where: line.containsWord) else { continue }
            let near = max(0, position - Self.reach)...min(masked.comments.count - 1, position + Self.reach)
            if !near.contains(where: { Self.isReason(masked.comments[$0]) }) {
                findings.append(
                    Finding(
                        file.path, line: position + 1,
                        "\(word) without a comment that says why, within \(Self.reach) lines"))
            }
        }
        return findings
    }

    /// The optimizer of Swift 6.3 makes such a lock and what it holds all zeros, whatever its value was to be.
    static func staticLocks(in file: Tree.File) -> [Finding] {
        guard file.isSwift else { return [] }
        return file.masked.code.enumerated().compactMap { position, line in
            let isGlobal = line.first.map { !$0.isWhitespace } ?? false
            let isValue =
                line.containsWord("static let") || line.containsWord("static var")
                || isGlobal && (line.containsWord("let") || line.containsWord("var"))
            guard isValue, ["Mutex", "Atomic"].contains(where: line.containsWord) else { return nil }
            return Finding(
                file.path, line: position + 1,
                "a static lock loses its value in a release build: let a class hold it, and make that static")
        }
    }

    /// A comment of several words; documentation counts when it speaks of it.
    private static func isReason(_ comment: String) -> Bool {
        let words = comment.split(separator: " ")
        guard words.count >= 4, !comment.contains(Self.identifier) else { return false }
        return words[0] != "///" || Self.unsafe.contains(where: comment.contains)
    }
}

/// The pure layers neither wait nor ask: time and chance come in as arguments, or no simulator could play them.
enum PurityRules {
    private static let waiting = ["async", "await", "actor", "Task", "Thread", "DispatchQueue", "pthread_create"]
    private static let clocks = [
        "ContinuousClock", "SuspendingClock", "SystemClock", "Date(", "DispatchTime", "clock_gettime", "gettimeofday",
        "time(nil)", "weir_wall_milliseconds", "weir_monotonic_nanoseconds",
    ]
    private static let chance = [
        ".random(", "SystemRandomNumberGenerator", "randomElement()", "shuffled()", "shuffle()", "arc4random",
        "getrandom",
        "UUID(", "hashValue",
    ]

    static func findings(in tree: Tree, _ table: LayerTable) -> [Finding] {
        var findings: [Finding] = []
        for module in table.modules where module.isPure {
            for file in tree.under(module.path) where file.isSwift {
                for (position, line) in file.masked.code.enumerated() {
                    func refuse(_ words: [String], _ message: String) {
                        guard let word = words.first(where: line.containsWord) else { return }
                        findings.append(Finding(file.path, line: position + 1, "\(word) in a pure module: \(message)"))
                    }
                    refuse(Self.waiting, "nothing waits here")
                    refuse(Self.clocks, "time comes in as an argument")
                    refuse(Self.chance, "chance comes in as an argument")
                }
            }
        }
        return findings
    }
}

/// One clock: whoever asks the system for the time by himself reads another one than those he talks to.
enum ClockRule {
    private static let readings = [
        "ContinuousClock", "SuspendingClock", "Date(", "DispatchTime", "NIODeadline", "clock_gettime", "gettimeofday",
        "time(nil)", "weir_wall_milliseconds", "weir_monotonic_nanoseconds",
    ]
    /// What only measures how long something took.
    private static let measuring = "Sources/WeirCommands/Bench/"

    static func findings(in tree: Tree, _ table: LayerTable) -> [Finding] {
        var findings: [Finding] = []
        for module in table.modules where module.isSeam != true && module.home == "Sources" {
            for file in tree.under(module.path) where file.isSwift && !file.path.hasPrefix(Self.measuring) {
                for (position, line) in file.masked.code.enumerated() {
                    guard let word = Self.readings.first(where: line.containsWord) else { continue }
                    findings.append(
                        Finding(file.path, line: position + 1, "\(word): time comes from the Clock of WeirIO"))
                }
            }
        }
        return findings
    }
}

/// Outside the log a position is a mark: a bare number means one thing before a failed write and another after it.
enum PositionRule {
    private static let words = ["LSN", "lsn", "catalogLSN", "leaseLSN"]

    static func findings(in tree: Tree) -> [Finding] {
        var findings: [Finding] = []
        for file in tree.under("Sources/WeirServer") where file.isSwift {
            for (position, line) in file.masked.code.enumerated() {
                guard let word = Self.words.first(where: line.containsWord) else { continue }
                findings.append(
                    Finding(
                        file.path, line: position + 1,
                        "\(word): what a node tells has a Mark, and a Watermark judges it"))
            }
        }
        return findings
    }
}

/// Tests wait for what they mean, never for a while.
enum WaitingRule {
    private static let words = ["Task.sleep", "Thread.sleep", "usleep", "nanosleep", "sleep(", "asyncAfter"]

    static func findings(in tree: Tree) -> [Finding] {
        var findings: [Finding] = []
        // What stands beside the tests runs real processes, and waits for them as their users do. The tests of the
        // clock itself ask whether it sleeps.
        let beside = ["Tests/Support/", "Tests/Tools/", "Tests/WeirIOTests/"]
        for file in tree.under("Tests") where file.isSwift && !beside.contains(where: file.path.hasPrefix) {
            for (position, line) in file.masked.code.enumerated() {
                // A clock that a test drives has such a function; declaring one waits for nothing.
                let waits = line.replacing("func sleep(", with: "")
                guard let word = Self.words.first(where: waits.containsWord) else { continue }
                findings.append(
                    Finding(
                        file.path, line: position + 1, "\(word): a test waits for an event or drives a clock of its own"
                    ))
            }
        }
        return findings
    }
}
