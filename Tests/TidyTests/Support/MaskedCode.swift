// SPDX-License-Identifier: Apache-2.0

/// A source file taken apart: what is code, what is comment, what stands in string literals. Each part has the lines
/// and columns of the file, with blanks for what belongs to the others. What is interpolated into a string is code.
struct MaskedCode: Sendable {
    /// Without comments and without the contents of string literals.
    let code: [String]
    /// Comments alone, with their slashes.
    let comments: [String]
    /// Without comments.
    let codeAndStrings: [String]

    /// `isC`: single quotes begin character literals, strings have no interpolation.
    init(_ text: String, isC: Bool = false) {
        var scanner = Scanner(text: Array(text.utf8), isC: isC)
        scanner.run()
        self.code = Self.lines(scanner.code)
        self.comments = Self.lines(scanner.comments)
        self.codeAndStrings = Self.lines(zip(scanner.code, scanner.strings).map { $0 == Self.blank ? $1 : $0 })
    }

    fileprivate static let blank = UInt8(ascii: " ")
    fileprivate static let newline = UInt8(ascii: "\n")

    private static func lines(_ bytes: [UInt8]) -> [String] {
        bytes.split(separator: Self.newline, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private enum Part {
        case code
        case lineComment
        case blockComment(depth: Int)
        case string(Quote)
    }

    /// How a string literal ends.
    private struct Quote {
        let mark: UInt8
        let hashes: Int
        let isMultiline: Bool
    }

    private struct Scanner {
        let text: [UInt8]
        let isC: Bool
        var code: [UInt8]
        var comments: [UInt8]
        var strings: [UInt8]
        private var position = 0
        private var part = Part.code
        /// Strings that were left for an interpolation, with the parentheses open in it.
        private var left: [(quote: Quote, depth: Int)] = []

        init(text: [UInt8], isC: Bool) {
            self.text = text
            self.isC = isC
            let blanks = text.map { $0 == MaskedCode.newline ? $0 : MaskedCode.blank }
            self.code = blanks
            self.comments = blanks
            self.strings = blanks
        }

        mutating func run() {
            while self.position < self.text.count {
                switch self.part {
                case .code: self.stepInCode()
                case .lineComment:
                    if self.text[self.position] == MaskedCode.newline { self.part = .code }
                    self.take(1, \.comments)
                case .blockComment(let depth): self.stepInBlockComment(depth)
                case .string(let quote): self.stepInString(quote)
                }
            }
        }

        private func has(_ word: StaticString) -> Bool {
            let count = word.utf8CodeUnitCount
            guard self.position + count <= self.text.count else { return false }
            for offset in 0..<count where self.text[self.position + offset] != word.utf8Start[offset] { return false }
            return true
        }

        private mutating func take(_ count: Int, _ target: WritableKeyPath<Scanner, [UInt8]>) {
            for offset in self.position..<min(self.position + count, self.text.count) {
                self[keyPath: target][offset] = self.text[offset]
            }
            self.position += count
        }

        private mutating func stepInCode() {
            if self.has("//") {
                self.part = .lineComment
                return self.take(2, \.comments)
            }
            if self.has("/*") {
                self.part = .blockComment(depth: 1)
                return self.take(2, \.comments)
            }
            if let (quote, length) = self.opening() {
                self.part = .string(quote)
                return self.take(length, \.code)
            }
            if let open = self.left.last {
                if self.has("(") { self.left[self.left.count - 1].depth += 1 }
                if self.has(")") {
                    self.left[self.left.count - 1].depth -= 1
                    if open.depth == 1 {
                        self.left.removeLast()
                        self.part = .string(open.quote)
                    }
                }
            }
            self.take(1, \.code)
        }

        /// The string literal that begins here, and the bytes of its opening.
        private func opening() -> (Quote, Int)? {
            if self.isC {
                guard self.has("\"") || self.has("'") else { return nil }
                return (Quote(mark: self.text[self.position], hashes: 0, isMultiline: false), 1)
            }
            var end = self.position
            while end < self.text.count, self.text[end] == UInt8(ascii: "#") { end += 1 }
            let mark = UInt8(ascii: "\"")
            guard end < self.text.count, self.text[end] == mark else { return nil }
            let hashes = end - self.position
            let isMultiline = end + 2 < self.text.count && self.text[end + 1] == mark && self.text[end + 2] == mark
            return (Quote(mark: mark, hashes: hashes, isMultiline: isMultiline), hashes + (isMultiline ? 3 : 1))
        }

        private mutating func stepInBlockComment(_ depth: Int) {
            if self.has("*/") {
                self.part = depth == 1 ? .code : .blockComment(depth: depth - 1)
                return self.take(2, \.comments)
            }
            if self.has("/*"), !self.isC {
                self.part = .blockComment(depth: depth + 1)
                return self.take(2, \.comments)
            }
            self.take(1, \.comments)
        }

        private mutating func stepInString(_ quote: Quote) {
            let hashes = [UInt8](repeating: UInt8(ascii: "#"), count: quote.hashes)
            let marks = [UInt8](repeating: quote.mark, count: quote.isMultiline ? 3 : 1)
            if self.text[self.position] == MaskedCode.newline, !quote.isMultiline {
                // Not closed: not valid, so do not swallow the rest of the file.
                self.part = .code
                return self.take(1, \.code)
            }
            if self.text[self.position...].starts(with: marks + hashes) {
                self.part = .code
                return self.take(marks.count + hashes.count, \.code)
            }
            let escape = [UInt8(ascii: "\\")] + hashes
            if self.text[self.position...].starts(with: escape) {
                let next = self.position + escape.count
                if !self.isC, next < self.text.count, self.text[next] == UInt8(ascii: "(") {
                    self.left.append((quote, 1))
                    self.part = .code
                    return self.take(escape.count + 1, \.code)
                }
                return self.take(escape.count + 1, \.strings)
            }
            self.take(1, \.strings)
        }
    }
}

extension String {
    /// Whether `word` stands here by itself, not as a part of a longer name. `word` may hold dots and parentheses.
    func containsWord(_ word: String) -> Bool {
        var (text, wanted) = (self, word)
        return text.withUTF8 { text in wanted.withUTF8 { Self.find($0, in: text) } }
    }

    private static func find(_ wanted: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = wanted.first, let last = wanted.last, text.count >= wanted.count else { return false }
        for start in 0...(text.count - wanted.count) where text[start] == first {
            let end = start + wanted.count
            guard text[start..<end].elementsEqual(wanted) else { continue }
            let goesOnBefore = start > 0 && Self.isName(text[start - 1]) && Self.isName(first)
            let goesOnAfter = end < text.count && Self.isName(text[end]) && Self.isName(last)
            if !goesOnBefore, !goesOnAfter { return true }
        }
        return false
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
