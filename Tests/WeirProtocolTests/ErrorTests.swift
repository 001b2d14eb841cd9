// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct ErrorTests {
    private func recode(_ bytes: [UInt8]) throws(MalformedBytes) -> WeirError {
        try bytes.exactly { raw throws(MalformedBytes) in try ErrorAnswer(payload: raw) }.error
    }

    @Test(arguments: WeirError.Code.allCases)
    func `Every code arrives with its verdict and sentence`(_ code: WeirError.Code) throws {
        let error = WeirError(code, "a sentence about \(code.name)")
        #expect(try self.recode(ErrorAnswer(error: error).encode()) == error)
        let verdict = WeirError.Verdict(maybeStored: true, retry: .after(millis: .max))
        let other = WeirError(code, "", verdict: verdict)
        #expect(try self.recode(ErrorAnswer(error: other).encode()) == other)
    }

    @Test func `A code of a later version keeps its number, with the verdict that was sent`() throws {
        let sent = WeirError(
            .throughputExceeded, "slowly", verdict: .init(maybeStored: false, retry: .after(millis: 7)))
        let error = try self.recode(ErrorAnswer(error: sent).encode().replacing(0, little(UInt16(900))))
        #expect(error == WeirError(.init(rawValue: 900), "slowly", verdict: sent.verdict))
        #expect(error.code.name == "Error900" && "\(error.code)" == "Error900")
        #expect(try self.recode(ErrorAnswer(error: error).encode()) == error, "it goes on as it came")
    }

    @Test(arguments: [(2, 2), (3, 3), (4, 1)])
    func `A verdict of unknown kind is malformed`(_ offset: Int, _ value: UInt8) {
        let bytes = ErrorAnswer(error: WeirError(.streamNotFound, "")).encode().replacing(offset, [value])
        #expect(throws: MalformedBytes.self) { try self.recode(bytes) }
    }

    @Test func `A sentence that is too long arrives cut`() throws {
        let error = WeirError(.damaged, String(repeating: "ü", count: 5000))
        let read = try self.recode(ErrorAnswer(error: error).encode())
        #expect(read.message == String(repeating: "ü", count: 1024))
    }
}
