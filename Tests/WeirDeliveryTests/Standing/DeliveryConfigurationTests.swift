// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirDelivery
import WeirModel
import WeirTestKit

@Suite struct DeliveryConfigurationTests {
    private func refusal(_ text: String) -> String? {
        do throws(WeirError) {
            try DeliveryHost.check(text, try StreamName("s"))
            return nil
        } catch {
            #expect(error.code == .invalidArgument)
            return error.message
        }
    }

    @Test func `What is usual is not said, and everything else comes back as it was`() throws {
        #expect(DeliveryConfiguration(to: "a").text == #"{"to":"a"}"#)
        var full = DeliveryConfiguration(to: "a/b \"c\"")
        full.from = .latest
        full.compression = "gzip"
        full.level = 9
        full.size = 1 << 20
        full.countsBeforeCompression = true
        full.ageMillis = 0
        full.prefix = "x=!{partitionKeyFromQuery:.a}/"
        full.errorPrefix = "bad/"
        full.eventTime = ".time"
        full.eventTimeForm = .microseconds
        full.timeZone = "+02:00"
        full.format = .json
        #expect(try DeliveryConfiguration(parsing: full.text) == full)
        full.from = .atTimestamp(1_700_000_000_123)
        #expect(try DeliveryConfiguration(parsing: full.text) == full)
        #expect(full.text.utf8.count <= Limits.deliveryConfigurationBytes.upperBound)
    }

    @Test(arguments: [
        ("", "cannot be read"), ("[]", "cannot be read"), ("{}", "'to' is missing"), (#"{"to":""}"#, "'to' is missing"),
        (#"{"to":"a"} x"#, "cannot be read"), (#"{"to":1}"#, "cannot be read"), (#"{"to":"a","tu":1}"#, "'tu' unknown"),
        (#"{"to":"a","size":1.5}"#, "whole number"), (#"{"to":"a","size":65535}"#, "65536 to 17179869184"),
        (#"{"to":"a","size":17179869185}"#, "65536 to 17179869184"), (#"{"to":"a","ageMillis":-1}"#, "0 to 900000"),
        (#"{"to":"a","ageMillis":900001}"#, "0 to 900000"), (#"{"to":"a","compression":"rar"}"#, "zstd, gzip"),
        (#"{"to":"a","compression":"gzip","level":10}"#, "1 to 9"), (#"{"to":"a","format":"xml"}"#, "lines, json, raw"),
        (#"{"to":"a","from":"yesterday"}"#, "trim-horizon"), (#"{"to":"a","timeZone":"CET"}"#, "no time zone"),
        (#"{"to":"a","eventTime":"time"}"#, "no field"), (#"{"to":"a","prefix":"../x"}"#, "begins with a dot"),
    ])
    func `What cannot be run is refused with what is allowed`(_ text: String, _ part: String) {
        let message = self.refusal(text)
        #expect(message?.contains(part) == true, "\(message ?? "taken")")
    }

    /// The folder comes over the network: nothing leaves the one that the operator named.
    @Test(arguments: [
        "/etc", "..", "a/..", "../a", "a/../b", ".", "./a", "a//b", "a/", "/", ".weir", "a/.weir/b", "a\nb", "a\u{7f}",
        "a\u{0}b", String(repeating: "a", count: 129), String(repeating: "a/", count: 256) + "ab",
    ])
    func `A folder outside of that of the server is refused`(_ to: String) {
        let message = self.refusal(DeliveryConfiguration(to: to).text)
        #expect(message?.contains("delivers into no folder") == true, "\(message ?? "taken")")
    }

    @Test(arguments: ["a", "a/b/c", "year=2026", "ä ö", String(repeating: "a", count: 128)])
    func `A folder below that of the server is taken`(_ to: String) throws {
        #expect(try DeliveryConfiguration(to: to).place(below: "/srv") == "/srv/\(to)")
        #expect(self.refusal(DeliveryConfiguration(to: to).text) == nil)
    }

    @Test func `Any text is read or refused`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            var bytes = Array(
                #"{"to":"a","from":5,"level":3,"sizeBeforeCompression":true,"prefix":"p","format":"raw"}"#.utf8)
            for _ in 0..<random.within(1...4) {
                let place = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[place] = UInt8(random.below(256))
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8(random.within(32...126)), at: place)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let read = try? DeliveryConfiguration(parsing: text) else { continue }
            #expect(try DeliveryConfiguration(parsing: read.text) == read, "seed \(seed)")
        }
    }
}
