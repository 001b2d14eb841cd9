// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirTestKit

@testable import WeirJSON

@Suite struct Base64Tests {
    private func encode(_ bytes: [UInt8]) -> String {
        let output = OutputBytes()
        bytes.withUnsafeBytes { Base64.append($0, to: output) }
        return output.text
    }

    private func decode(_ text: String) -> [UInt8]? {
        let output = OutputBytes()
        return Array(text.utf8).withUnsafeBytes { Base64.decode($0, to: output) } ? Array(output.raw) : nil
    }

    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func agreesWithTheStandard(text: String, base64: String) {
        #expect(self.encode(Array(text.utf8)) == base64)
        #expect(self.decode(base64) == Array(text.utf8))
    }

    @Test func usesTheWholeAlphabet() {
        let bytes: [UInt8] = [0x00, 0x10, 0x83, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff]
        #expect(self.encode(bytes) == "ABCD++++////"[...].prefix(4) + "++++" + "////")
    }

    @Test func readsWhatItWrites() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SplitMix64(seed: seed)
        for length in 0..<200 {
            let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(self.decode(self.encode(bytes)) == bytes)
        }
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Zm9v Zg=", "Zm9v\n", "Zm-_", "=Zg="])
    func refusesWhatIsNotWholeBase64(text: String) {
        #expect(self.decode(text) == nil)
    }
}
