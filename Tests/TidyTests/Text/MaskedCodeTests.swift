// SPDX-License-Identifier: Apache-2.0
import Testing

@Suite("Taking source apart")
struct MaskedCodeTests {
    @Test(
        "Code is told from comments and strings",
        arguments: [
            ("let a = 1 // try", "let a = 1"), ("/* a /* b */ c */ d", "                  d"),
            ("let a = \"b // c\"", "let a = \"      \""), ("let a = \"\\\"b\" + c", "let a = \"   \" + c"),
            ("let a = \"b \\(c(\"d\") + e) f\"", "let a = \"  \\(c(\" \") + e)  \""),
            ("let a = #\"b \\(c) \"d\" \"#", "let a = #\"           \"#"),
            ("let a = #\"\\#(b)\"# // c", "let a = #\"\\#(b)\"#"),
            ("a(\"\") // b", "a(\"\")"), ("a / b / c", "a / b / c"),
        ])
    func swift(text: String, code: String) {
        let masked = MaskedCode(text)
        #expect(masked.code.map { $0.trimmingEnd } == [code.trimmingEnd])
    }

    @Test("A string of several lines hides what stands in it, and ends where it ends")
    func multiline() {
        let masked = MaskedCode("let a = \"\"\"\n  // b \"c\"\n  \\(d)\n  \"\"\" + e // f")
        #expect(masked.code.map { $0.trimmingEnd } == ["let a = \"\"\"", "", "  \\(d)", "  \"\"\" + e"])
        #expect(masked.comments[3].contains("// f"))
        #expect(masked.comments[1].trimmingEnd.isEmpty)
    }

    @Test("In C a quote may stand in a character")
    func c() {
        let masked = MaskedCode("char a = '\"'; // b", isC: true)
        #expect(masked.code[0].trimmingEnd == "char a = ' ';")
    }

    @Test("Code with strings is the file without its comments")
    func codeAndStrings() {
        #expect(MaskedCode("a(\"b\", /* c */ \"d\") // e").codeAndStrings[0].trimmingEnd == "a(\"b\",         \"d\")")
    }

    @Test("A word is found by itself only")
    func words() {
        #expect("try await a()".containsWord("await"))
        #expect(!"awaiting.reawait".containsWord("await"))
        #expect("a.random(in: b)".containsWord(".random("))
        #expect(!"randomly()".containsWord("random"))
        #expect("x sleep(1)".containsWord("sleep("))
        #expect(!"nosleep(1)".containsWord("sleep("))
    }
}

extension String {
    fileprivate var trimmingEnd: String { String(self.reversed().drop { $0 == " " }.reversed()) }
}
