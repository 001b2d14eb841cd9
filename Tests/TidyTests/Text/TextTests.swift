// SPDX-License-Identifier: Apache-2.0
import Testing

private let head = "// SPDX-License-" + "Identifier: Apache-2.0"

private func tree(_ files: [String: String]) -> Tree { Tree(files.map { Tree.File($0.key, $0.value) }) }

@Suite("Source files")
struct SourceTests {
    @Test("Each has its licence, nothing left undone, and a reason beside what the compiler cannot check")
    func repository() { expectNone(SourceRules.findings(in: .repository)) }

    @Test("A file without the licence in its place is refused")
    func licence() {
        let files = [
            "Sources/A/Good.swift": head + "\nlet a = 1", "Sources/A/Bad.swift": "let a = 1\n" + head,
            "scripts/good": "#!/bin/bash\n" + head.replacing("//", with: "#"), "scripts/bad": "#!/bin/bash\n" + head,
            "Sources/C/bad.h": "#ifndef X", "Package.swift": "// swift-tools-version: 6.2",
        ]
        expectBites(
            SourceRules.findings(in: tree(files)), at: ["Sources/A/Bad.swift:1", "Sources/C/bad.h:1", "scripts/bad:2"],
            saying: "stands here")
    }

    @Test("What is left undone is refused", arguments: ["// TO" + "DO: more", "// FIX" + "ME"])
    func leftovers(line: String) {
        expectBites(
            SourceRules.findings(in: tree(["Tests/A/A.swift": head + "\n" + line])), at: ["Tests/A/A.swift:2"],
            saying: "left undone")
        expectNone(SourceRules.findings(in: tree(["Sources/A/A.swift": head + "\nlet TO" + "DOs = 1"])))
    }

    @Test(
        "What the compiler cannot check is refused without a reason, and let through with one",
        arguments: ["final class A: @unchecked Sendable {}", "nonisolated(unsafe) var a = 1", "let a = try! b()"])
    func unreasoned(line: String) {
        func findings(_ text: String) -> [Finding] { SourceRules.findings(in: tree(["Sources/A/A.swift": text])) }
        expectBites(findings("\(head)\n\(line)"), at: ["Sources/A/A.swift:2"], saying: "without a comment")
        // The licence, a title, documentation of something else, and a comment far away are no reasons.
        expectBites(findings("\(head)\n// MARK: A\n\(line)"), at: ["Sources/A/A.swift:3"], saying: "without a comment")
        expectBites(
            findings("\(head)\n/// Holds an a and a b.\n\(line)"), at: ["Sources/A/A.swift:3"], saying: "without")
        expectBites(
            findings("\(head)\n// Unchecked: one owner at a time.\n\n\n\n\(line)"), at: ["Sources/A/A.swift:6"],
            saying: "without")
        expectNone(findings("\(head)\n// Unchecked: one owner at a time.\n\(line)"))
        expectNone(findings("\(head)\n\(line)\n    // One owner at a time, by the rules above."))
        expectNone(findings("\(head)\nlet text = \"\(line)\""))
    }

    @Test(
        "Static locks are refused, those of instances are let through",
        arguments: [
            "private static let state = Mutex(State())", "static let count: Atomic<Int> = Atomic(1)",
            "private let state = Mutex(1)",
        ])
    func staticLocks(line: String) {
        func findings(_ text: String) -> [Finding] { SourceRules.findings(in: tree(["Sources/A/A.swift": text])) }
        expectBites(findings("\(head)\n\(line)"), at: ["Sources/A/A.swift:2"], saying: "loses its value")
        expectNone(findings("\(head)\n    \(line.replacing("static ", with: ""))"))
        expectNone(findings("\(head)\nstatic func add(_ amount: Int, to counter: borrowing Atomic<Int64>) {}"))
    }
}

@Suite("Sizes")
struct SizeTests {
    private static func ratchet(_ text: String) -> Tree.File {
        Tree.File(
            Ratchet.path,
            "{ \"fileLinesMax\": 9, \"lineCharactersMax\": 30, \"functionLinesMax\": 4, "
                + "\"storedPropertiesMax\": 2, \"bareParametersMax\": 2, \"longFiles\": [], "
                + "\"wideTypes\": [], \"bareCalls\": [], \(text) }")
    }

    @Test("Files, lines and functions keep their sizes, but for the exceptions that config/tidy.json names")
    func repository() throws {
        expectNone(SizeRules.findings(in: .repository, try Ratchet(reading: .repository)))
    }

    @Test("What is too large is refused; what is just large enough passes")
    func bites() throws {
        let plain = Self.ratchet("\"longLines\": [], \"longFunctions\": []")
        func findings(_ text: String) throws -> [Finding] {
            let tree = Tree([plain, Tree.File("Sources/A/A.swift", text)])
            return SizeRules.findings(in: tree, try Ratchet(reading: tree))
        }
        expectNone(try findings(String(repeating: "let a = 1\n", count: 9)))
        expectBites(
            try findings(String(repeating: "let a = 1\n", count: 10)), at: ["Sources/A/A.swift"], saying: "10 lines")
        expectNone(try findings(String(repeating: "ä", count: 30)))
        expectBites(
            try findings("\n" + String(repeating: "a", count: 31)), at: ["Sources/A/A.swift:2"], saying: "31 characters"
        )
        expectNone(try findings("func a() {\n    b { c }\n    d()\n}"))
        expectBites(
            try findings("\nfunc a(\n) {\n    b { c }\n    d()\n}"), at: ["Sources/A/A.swift:2"],
            saying: "function of 5")
        expectBites(
            try findings("package init() {\n    self = .init(\n    a: {\n   })\n}"), at: ["Sources/A/A.swift:1"],
            saying: "function of 5")
        expectNone(try findings("protocol A {\n    func a()\n    func b()\n}\nlet c = 1\nlet d = 2"))
    }

    @Test("Types stay narrow and calls say what they pass, but for the exceptions that config/tidy.json names")
    func types() throws {
        expectNone(TypeRules.findings(in: .repository, try Ratchet(reading: .repository)))
    }

    @Test(
        "A type with too many stored properties is refused",
        arguments: [
            // Of a type with the limit of two: what is in it, and how many are stored.
            ("let a = 1\nvar b: Int", 2), ("let a = 1\nvar b: Int\nlet c: Int", 3), ("var a, b, c: Int", 3),
            ("let a: Int\nlet b: Int\nvar c: Int { 1 }\nstatic let d = 1\nvar e: Int {\n  get { 1 }\n}", 2),
            ("let a: Int\nlet b: Int\nvar c = 1 {\n  didSet { d() }\n}", 3),
            ("let a: Int\nlet b: Int\nvar c: Int {\n  willSet { d() }\n}", 3),
            ("let a: Int\nlet b: Int\nlazy var c: Int = { 1 }()", 3),
            ("let a: Int\nstruct B {\n  let c: Int\n  let d: Int\n}\nlet e: Int", 2),
            ("let a: Int\nlet b: Int\nfunc c() {\n  let d = 1\n  var e = [\n  1: { 2 }]\n}", 2),
            (
                "private(set) var a: Int\n@Box(1) var b: [Int: (Int) -> Void] = [:]\npackage internal(set) var c: Int?",
                3
            ),
            ("let a: (Int, Int) -> Void\nlet b: [Int]\nclass func c() {}\nvar d:\n  Int", 3),
            ("let a: Int\nlet b: Int\nvar c:\n  Int\n{\n  1\n}", 2),
        ])
    func wideTypes(body: String, count: Int) throws {
        for kind in ["struct", "public final class", "actor"] {
            let text = "\n\(kind) A<B>: C where D == E {\n\(body)\n}\nextension A {\nvar x: Int { 1 }\n}"
            let types = TypeBody.all(in: Tree.File("Sources/A/A.swift", text))
            #expect(types.first?.storedProperties == count, "\(text)")
            #expect(types.first?.line == 2 && types.first?.name == "A")
            let tree = Tree([
                Self.ratchet("\"longLines\": [], \"longFunctions\": []"), Tree.File("Sources/A/A.swift", text),
            ])
            let findings = TypeRules.findings(in: tree, try Ratchet(reading: tree))
            if count <= 2 {
                expectNone(findings)
            } else {
                expectBites(findings, at: ["Sources/A/A.swift:2"], saying: "\(count) stored properties")
            }
        }
    }

    @Test(
        "A function with too many parameters without a label is refused",
        arguments: [
            ("func a(_ b: Int, _ c: Int) {}", 2), ("func a(_ b: Int, c: Int, _ d: Int) {}", 2),
            ("func a(_ b: Int, _ c: Int, _ d: Int) {}", 3), ("init(\n  _ b: Int,\n  _ c: Int,\n  _ d: Int) {}", 3),
            ("func a<B>(_ b: (_ c: Int, _ d: Int) -> Void, _ e: [Int]) {}", 2),
            ("func a(_ b: B<C, D>, _ e: Int, _ f: Int = g(1, 2)) {}", 3),
        ])
    func bareCalls(text: String, bare: Int) throws {
        let tree = Tree([
            Self.ratchet("\"longLines\": [], \"longFunctions\": []"), Tree.File("Sources/A/A.swift", text),
        ])
        let findings = TypeRules.findings(in: tree, try Ratchet(reading: tree))
        if bare <= 2 {
            expectNone(findings)
        } else {
            expectBites(findings, at: ["Sources/A/A.swift:1"], saying: "3 parameters")
        }
    }

    @Test("An exception has a reason, and becomes no wider than it must be")
    func ratchets() throws {
        func findings(_ exception: String, longLines: Int) throws -> [Finding] {
            let tree = Tree([
                Self.ratchet("\"longLines\": [\(exception)], \"longFunctions\": []"),
                Tree.File(
                    "Sources/A/A.swift", String(repeating: String(repeating: "a", count: 31) + "\n", count: longLines)),
            ])
            return SizeRules.findings(in: tree, try Ratchet(reading: tree))
        }
        let exception =
            "{ \"path\": \"Sources/A/A.swift\", \"count\": 2, \"reason\": \"Messages that cannot be divided.\" }"
        expectNone(try findings(exception, longLines: 2))
        expectBites(try findings(exception, longLines: 3), at: ["Sources/A/A.swift"], saying: "2 are excepted")
        expectBites(try findings(exception, longLines: 1), at: ["Sources/A/A.swift"], saying: "lower it to 1")
        expectBites(try findings(exception, longLines: 0), at: ["Sources/A/A.swift"], saying: "take it out")
        let bare = exception.replacing("Messages that cannot be divided.", with: "Sorry.")
        expectBites(try findings(bare, longLines: 2), at: ["Sources/A/A.swift"], saying: "says why")
    }
}

@Suite("Pure modules and patient tests")
struct PurityTests {
    private static let table = """
        { "modules": [
            { "name": "Rules", "layer": 1, "owns": "rules", "imports": [], "outside": [] },
            { "name": "Runner", "layer": 2, "owns": "a runner", "imports": ["Rules"], "outside": [] }
          ], "absent": [] }
        """

    @Test("Nothing waits, asks the time or throws dice in the layers 0 and 1")
    func repository() throws {
        expectNone(PurityRules.findings(in: .repository, try LayerTable(reading: .repository)))
    }

    @Test("Nobody asks the system for the time but the clock of WeirIO")
    func oneClock() throws {
        expectNone(ClockRule.findings(in: .repository, try LayerTable(reading: .repository)))
    }

    @Test(
        "A second clock is refused outside of the seam, and a measurement is not",
        arguments: ["NIODeadline.now()", "let a = ContinuousClock()", "clock_gettime(CLOCK_MONOTONIC, &now)"])
    func secondClock(line: String) throws {
        let seam = Self.table.replacing("\"Rules\",", with: "\"Rules\", \"isSeam\": true,")
            .replacing("Runner", with: "WeirCommands")
        let sample = tree([
            LayerTable.path: seam, "Sources/Rules/A.swift": line, "Sources/WeirCommands/A.swift": "// Date()\n\(line)",
            "Sources/WeirCommands/Bench/A.swift": line,
        ])
        let table = try LayerTable(reading: sample)
        expectBites(
            ClockRule.findings(in: sample, table), at: ["Sources/WeirCommands/A.swift:2"], saying: "the Clock of WeirIO"
        )
        #expect(PurityRules.findings(in: sample, table).isEmpty)
    }

    @Test("A node compares no positions of the log")
    func positions() { expectNone(PositionRule.findings(in: .repository)) }

    @Test(
        "A position of the log is refused in the server, and in no other module",
        arguments: ["let a: LSN", "if answer.lsn <= b {", "log.catalogLSN", "log.leaseLSN"])
    func barePosition(line: String) {
        let sample = tree([
            "Sources/WeirServer/A.swift": "// LSN \"lsn\"\n\(line)", "Sources/WeirStorage/A.swift": line,
        ])
        expectBites(PositionRule.findings(in: sample), at: ["Sources/WeirServer/A.swift:2"], saying: "has a Mark")
    }

    @Test("No test sleeps")
    func tests() { expectNone(WaitingRule.findings(in: .repository)) }

    @Test(
        "Waiting, clocks and chance are refused in a pure module, and in no other",
        arguments: [
            ("func a() async {}", "nothing waits"), ("await b()", "nothing waits"), ("actor A {}", "nothing waits"),
            ("Task { }", "nothing waits"), ("let now = ContinuousClock.now", "time comes in"),
            ("Date()", "time comes in"),
            ("weir_wall_milliseconds()", "time comes in"), ("Int.random(in: 0..<9)", "chance comes in"),
            ("list.shuffled()", "chance comes in"), ("var g = SystemRandomNumberGenerator()", "chance comes in"),
        ])
    func bites(line: String, words: String) throws {
        let sample = tree([
            LayerTable.path: Self.table, "Sources/Rules/A.swift": "// async Date()\n\(line)",
            "Sources/Runner/A.swift": line,
        ])
        expectBites(
            PurityRules.findings(in: sample, try LayerTable(reading: sample)), at: ["Sources/Rules/A.swift:2"],
            saying: words)
    }

    @Test(
        "A test that sleeps is refused",
        arguments: [
            "try await Task.sleep(for: .seconds(1))", "usleep(5)", "Thread.sleep(forTimeInterval: 1)", "sleep(1)",
        ])
    func sleeping(line: String) {
        let sample = tree([
            "Tests/A/A.swift": "func sleep(until: Int) { \"usleep(5)\" }\n\(line)", "Sources/A/A.swift": line,
        ])
        expectBites(WaitingRule.findings(in: sample), at: ["Tests/A/A.swift:2"], saying: "waits for an event")
    }
}
