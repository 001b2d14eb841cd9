// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

/// The page that other implementers read says what the code does.
@Suite struct WireDocumentTests {
    @Test func `Every test vector is what the code writes`() throws {
        let vectors = try WireDocument().vectors
        #expect(Set(vectors.keys) == Set(Samples.all.map(\.name)))
        for sample in Samples.all {
            #expect(vectors[sample.name] == sample.frame, "\(sample.name): the code writes \(hex(sample.frame))")
        }
    }

    @Test func `The table of types is complete, and answers have their request's number`() throws {
        let rows = try WireDocument().table("Type", "Name", "From", "Answer", "Payload, at most")
        var documented: Set<FrameType> = []
        for row in rows {
            let type = try #require(FrameType(rawValue: number(row[0])), "\(row)")
            documented.insert(type)
            #expect(String(describing: type) == row[1])
            #expect((type.direction == .request) == (row[2] == "client"), "\(row)")
            #expect(type.answer == (row[3] == "none" ? nil : FrameType(rawValue: number(row[3]))), "\(row)")
            if let answer = type.answer { documented.insert(answer) }
            let bound =
                switch type.payloadBound {
                case .bytes(let bytes): "\(bytes)"
                case .frame, nil: "frame"
                }
            #expect(row[4].replacing(",", with: "") == bound, "\(row)")
        }
        #expect(documented == Set(FrameType.allCases))
    }

    @Test func `The table of errors is complete, with the usual verdicts`() throws {
        let rows = try WireDocument().table("Code", "Name", "May be stored", "Retry")
        #expect(rows.count == WeirError.Code.allCases.count)
        for (code, row) in zip(WeirError.Code.allCases, rows) {
            #expect(row[0] == "\(code.rawValue)")
            #expect(row[1] == code.name)
            #expect(row[2] == (code.usualVerdict.maybeStored ? "yes" : "no"), "\(code.name)")
            let retry =
                switch code.usualVerdict.retry {
                case .never: "never"
                case .after(let pause): "after \(pause.millis) ms"
                case .refreshShardMap: "refresh"
                }
            #expect(row[3] == retry, "\(code.name)")
        }
    }

    @Test func `The names of numbers and texts in Status are documented`() throws {
        let text = try WireDocument().text
        for name in StatusAnswer.KnownNumber.allCases.map(\.rawValue) + StatusAnswer.KnownText.allCases.map(\.rawValue)
        {
            #expect(text.contains("`\(name)`"), "\(name)")
        }
    }

    private func number(_ text: String) -> UInt16 {
        UInt16(text.dropFirst(2), radix: 16) ?? 0
    }

    private func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    }
}
