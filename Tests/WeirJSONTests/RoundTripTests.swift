// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestKit

@testable import WeirJSON

/// Any JSON, for tests.
private indirect enum Tree: Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case string(String)
    case base64([UInt8])
    case array([Tree])
    case object([Member])

    struct Member: Equatable {
        let name: String
        let value: Tree
    }

    init(_ random: inout SplitMix64, depth: Int) {
        switch random.below(depth > 0 ? 7 : 5) {
        case 0: self = .null
        case 1: self = .bool(random.below(2) == 0)
        case 2: self = .integer(Int64(bitPattern: random.next() >> UInt64(random.below(64))))
        case 3: self = .string(Self.text(&random))
        case 4: self = .base64((0..<random.below(9)).map { _ in UInt8(random.below(256)) })
        case 5: self = .array((0..<random.below(5)).map { _ in Tree(&random, depth: depth - 1) })
        default:
            self = .object(
                (0..<random.below(5)).map { _ in
                    Member(name: Self.text(&random), value: Tree(&random, depth: depth - 1))
                })
        }
    }

    /// Of characters on both sides of every border that the code knows.
    private static func text(_ random: inout SplitMix64) -> String {
        let scalars: [UInt32] = [
            0, 9, 10, 13, 0x1f, 0x20, 0x22, 0x2f, 0x5c, 0x61, 0x75, 0x7e, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000,
            0xfffd, 0xffff, 0x10000, 0x1f389, 0x10ffff,
        ]
        var text = ""
        for _ in 0..<random.below(12) {
            text.unicodeScalars.append(Unicode.Scalar(scalars[random.below(scalars.count)]).unsafelyUnwrapped)
        }
        return text
    }

    func write(_ writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .integer(let value): writer.integer(value)
        case .string(let text): writer.string(text)
        case .base64(let bytes): bytes.withUnsafeBytes { writer.base64($0) }
        case .array(let elements):
            writer.beginArray()
            for element in elements { element.write(&writer) }
            writer.endArray()
        case .object(let members):
            writer.beginObject()
            for member in members {
                writer.name(member.name)
                member.value.write(&writer)
            }
            writer.endObject()
        }
    }

    /// Reads what looks like `shape`, which says what a string means.
    init(_ scanner: inout JSONScanner, like shape: Tree?) throws(JSONError) {
        switch scanner.kind() {
        case .null: self = try scanner.skipNull() ? .null : .bool(false)
        case .bool: self = .bool(try scanner.bool("a value"))
        case .number: self = .integer(try scanner.number("a value").integer(Int64.self) ?? 0)
        case .string:
            let string = try scanner.string()
            let output = OutputBytes()
            if case .base64 = shape, Base64.decode(string.bytes, to: output) {
                self = .base64([UInt8](output.raw))
            } else {
                self = .string(string.text)
            }
        case .array:
            let shapes: [Tree] = if case .array(let shapes) = shape { shapes } else { [] }
            var elements: [Tree] = []
            try scanner.beginArray()
            while try scanner.nextElement() {
                elements.append(try Tree(&scanner, like: elements.count < shapes.count ? shapes[elements.count] : nil))
            }
            self = .array(elements)
        case .object:
            let shapes: [Member] = if case .object(let shapes) = shape { shapes } else { [] }
            var members: [Member] = []
            try scanner.beginObject()
            while let name = try scanner.nextName() {
                let like = members.count < shapes.count ? shapes[members.count].value : nil
                members.append(Member(name: name.text, value: try Tree(&scanner, like: like)))
            }
            self = .object(members)
        case nil:
            try scanner.skipValue()
            self = .null
        }
    }

    static func read(_ bytes: [UInt8], like shape: Tree?) throws(JSONError) -> Tree {
        let result: Result<Tree, JSONError> = bytes.withUnsafeBytes { raw in
            do throws(JSONError) {
                var scanner = try JSONScanner(raw)
                let tree = try Tree(&scanner, like: shape)
                try scanner.end()
                return .success(tree)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    var json: [UInt8] {
        let output = OutputBytes()
        var writer = JSONWriter(output)
        self.write(&writer)
        return [UInt8](output.raw)
    }
}

@Suite struct RoundTripTests {
    @Test func theScannerReadsWhatTheWriterWrote() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        for _ in 0..<3000 {
            let tree = Tree(&random, depth: random.within(0...8))
            let json = tree.json
            #expect(try Tree.read(json, like: tree) == tree, "seed \(seed): \(String(decoding: json, as: UTF8.self))")
            #expect(fault(json) == nil)
        }
    }

    /// Damaged text is refused, or it is JSON: then what was read is written and read as the same again. Whatever it
    /// is, skipping and reading agree, and an error lies within the text.
    @Test func damagedTextIsRefusedOrReadAsItStands() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        let letters = Array("{}[],:\"\\u0d8-+.eEtrufalsn \n\t\u{0}\u{1f}\u{7f}".utf8) + [0x80, 0xc3, 0xed, 0xf4, 0xff]
        var taken = 0
        for _ in 0..<6000 {
            var bytes = Tree(&random, depth: random.within(0...5)).json
            for _ in 0..<random.within(1...4) { Self.damage(&bytes, letters, &random) }
            let text = "seed \(seed): \(bytes)"
            let skipped = fault(bytes)
            do {
                let tree = try Tree.read(bytes, like: nil)
                taken += 1
                #expect(skipped == nil, "\(text)")
                #expect(try Tree.read(tree.json, like: nil) == tree, "\(text)")
            } catch {
                #expect(skipped == error, "\(text)")
                #expect((0...bytes.count).contains(error.offset), "\(text)")
            }
        }
        #expect(taken > 0 && taken < 6000)
    }

    private static func damage(_ bytes: inout [UInt8], _ letters: [UInt8], _ random: inout SplitMix64) {
        let at = random.below(bytes.count + 1)
        let letter = random.below(4) == 0 ? UInt8(random.below(256)) : letters[random.below(letters.count)]
        switch random.below(4) {
        case 0: bytes.insert(letter, at: at)
        case 1 where at < bytes.count: bytes[at] = letter
        case 2 where at < bytes.count: bytes.remove(at: at)
        default: bytes.removeLast(bytes.count - at)
        }
    }

    @Test func garbageNeverTraps() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        let letters = Array("{{[[]}}],,::\"\"\\\\u0d8-1.eE truefalsenull\n".utf8)
        var json = RecordJSONReader()
        for _ in 0..<20_000 {
            let isText = random.below(2) == 0
            let bytes = (0..<random.below(40)).map { _ in
                isText ? letters[random.below(letters.count)] : UInt8(random.below(256))
            }
            _ = fault(bytes)
            _ = try? bytes.withUnsafeBytes { try json.parse($0) }
        }
    }
}

@Suite struct WriterTests {
    @Test func putsCommasAndColonsWhereTheyBelong() {
        let output = OutputBytes()
        var writer = JSONWriter(output)
        writer.beginObject()
        writer.name("a")
        writer.beginArray()
        writer.integer(UInt64.max)
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.real(1.25, digits: 1)
        writer.endArray()
        writer.raw { $0.append("\"b\":1,\"c\":2") }
        writer.name("d")
        writer.seconds(millis: -1)
        writer.name("e")
        [UInt8(1), 2].withUnsafeBytes { writer.base64($0) }
        writer.endObject()
        #expect(
            output.text
                == "{\"a\":[18446744073709551615,{},[],1.3],\"b\":1,\"c\":2,\"d\":-0.001,\"e\":\"AQI=\"}")
    }
}
