// SPDX-License-Identifier: Apache-2.0
import WeirClient
import WeirJSON
import WeirModel

/// What became of one line of the input.
enum LineResult {
    case put(PutReceipt)
    case failed(WeirError)
    /// It was not offered to the server. The message names the line.
    case refused(WeirError)
}

/// Brings the results of records and the refusals of lines into the order of the input.
struct PutOrder {
    private var refused: ArraySlice<(before: UInt64, error: WeirError)> = []
    /// Records whose results have come.
    private var recordCount: UInt64 = 0

    /// A line was refused after so many records had been taken, and before any later one was. `visit` gets results in
    /// the order of their lines.
    mutating func refuse(before record: UInt64, _ error: WeirError, _ visit: (LineResult) -> Void) {
        self.refused.append((record, error))
        self.visitRefused(visit)
    }

    /// The results of the next records.
    mutating func add(_ results: some Sequence<PutResult>, _ visit: (LineResult) -> Void) {
        for result in results {
            switch result {
            case .success(let receipt): visit(.put(receipt))
            case .failure(let error): visit(.failed(error))
            }
            self.recordCount += 1
            if !self.refused.isEmpty { self.visitRefused(visit) }
        }
    }

    private mutating func visitRefused(_ visit: (LineResult) -> Void) {
        while let first = self.refused.first, first.before <= self.recordCount {
            self.refused.removeFirst()
            visit(.refused(first.error))
        }
        // A slice keeps the memory before its beginning.
        if self.refused.isEmpty { self.refused = [] }
    }
}

/// What became of the lines.
struct PutOutcome {
    private(set) var acknowledged = 0
    private(set) var failed = 0
    /// Of those that failed, records that were offered to the server, and those that it may have stored.
    private(set) var failedRecords = 0
    private(set) var unknown = 0
    /// The first sentences about lines that were not put, each reason once in a row.
    private(set) var firstFailures: [String] = []
    private var lastReason: String?
    private var hasPermanentFailure = false
    /// What ended the put before its input did.
    var stopped: Failure?

    static let failuresTold = 5

    mutating func count(_ result: LineResult) {
        switch result {
        case .put: self.acknowledged += 1
        case .failed(let error):
            self.failedRecords += 1
            if error.verdict.maybeStored { self.unknown += 1 }
            self.count(error, "line \(self.acknowledged + self.failed + 1): \(error.message)", reason: error.message)
        case .refused(let error): self.count(error, error.message, reason: nil)
        }
    }

    /// So many more have no result.
    mutating func countUnknown(_ records: Int) {
        self.failed += records
        self.failedRecords += records
        self.unknown += records
    }

    private mutating func count(_ error: WeirError, _ sentence: String, reason: String?) {
        self.failed += 1
        if error.code.exitStatus != .tryAgain { self.hasPermanentFailure = true }
        if self.firstFailures.count < Self.failuresTold, reason == nil || reason != self.lastReason {
            self.firstFailures.append(sentence)
        }
        self.lastReason = reason
    }

    /// `nil` when every line was put.
    var failure: Failure? {
        guard self.failed > 0 || self.stopped != nil else { return nil }
        let retries = !self.hasPermanentFailure && (self.stopped.map { $0.status == .tryAgain } ?? true)
        var text = "\(CountText.describe(self.acknowledged, "record")) put"
        if self.unknown > 0 { text += ", \(CountText.describe(self.unknown)) unknown (they may be stored)" }
        if self.failed > self.unknown { text += ", \(CountText.describe(self.failed - self.unknown, "line")) not" }
        if let stopped { text += "; gave up: \(stopped.description)" }
        for sentence in self.firstFailures { text += "\n  " + sentence }
        if !self.firstFailures.isEmpty, self.failed > self.firstFailures.count {
            text += "\n  and \(CountText.describe(self.failed - self.firstFailures.count)) more"
        }
        return Failure(retries ? .tryAgain : .failed, text)
    }
}

extension OutputBytes {
    /// One line of `weir put --json`.
    func append(_ result: LineResult, _ digits: inout SequenceDigits) {
        switch result {
        case .put(let receipt):
            self.append("{\"shardId\":\"")
            RecordJSON.append(shard: receipt.shard.rawValue, to: self)
            self.append("\",\"sequenceNumber\":\"")
            digits.append(receipt.sequenceNumber, to: self)
            self.append("\"}\n")
        case .failed(let error), .refused(let error):
            self.append("{\"errorCode\":")
            self.append(jsonString: error.code.name)
            self.append(",\"errorMessage\":")
            self.append(jsonString: error.message)
            if error.verdict.maybeStored { self.append(",\"maybeStored\":true") }
            self.append("}\n")
        }
    }
}
