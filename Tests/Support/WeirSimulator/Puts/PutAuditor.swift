// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel
import WeirTestKit

/// Judges what the engine does with the puts of producers. It knows what was asked and what was told, and nothing of
/// how the engine decides.
struct PutAuditor {
    private struct Question: Hashable {
        let producer: Int
        let connection: Int
        let sequence: UInt64
    }

    private struct Admission {
        let key: Int
        let number: Int
        let mark: Mark
    }

    /// Of each key the record that may be admitted for the first time next.
    private var next: [Int: Int] = [:]
    private var acknowledged: [Int: Set<Int>] = [:]
    /// Admitted, and perhaps not durable.
    private var admissions: [Admission] = []
    private var questions: [Question: UInt64] = [:]
    /// When records were admitted, shard by shard, in milliseconds.
    private var times: [ShardRef: [UInt64]] = [:]

    // MARK: Order

    /// A record of a key was admitted. A record that comes for the first time comes behind all before it.
    mutating func admitted(_ key: Int, _ number: Int, _ mark: Mark) throws(Violation) {
        var next = self.next[key, default: 0]
        // What was acknowledged behind a record that was lost does not come again.
        while self.acknowledged[key]?.contains(next) ?? false { next += 1 }
        guard number <= next else {
            throw Violation(
                "record \(number) of key \(key) is admitted before record \(next), which was refused or lost")
        }
        self.next[key] = max(next, number + 1)
        self.admissions.append(Admission(key: key, number: number, mark: mark))
    }

    mutating func acknowledged(_ key: Int, _ number: Int) { self.acknowledged[key, default: []].insert(number) }

    /// A term has ended: what was admitted in it and is not durable has to come again, in order.
    mutating func termEnded(_ watermark: Watermark) {
        for admission in self.admissions where watermark.judge(admission.mark) == .lost {
            self.next[admission.key] = min(self.next[admission.key, default: 0], admission.number)
        }
        self.admissions.removeAll()
    }

    /// The process has ended: all that was not acknowledged comes again.
    mutating func processEnded() {
        self.admissions.removeAll()
        self.questions.removeAll()
        self.next.removeAll()
        // A new process begins with full buckets.
        self.times.removeAll()
    }

    // MARK: Answers

    mutating func asked(_ producer: Int, _ connection: Int, _ sequence: UInt64, nowMillis: UInt64) {
        self.questions[Question(producer: producer, connection: connection, sequence: sequence)] = nowMillis
    }

    mutating func answered(_ producer: Int, _ connection: Int, _ sequence: UInt64) {
        self.questions[Question(producer: producer, connection: connection, sequence: sequence)] = nil
    }

    mutating func disconnected(_ producer: Int) {
        for question in self.questions.keys where question.producer == producer { self.questions[question] = nil }
    }

    /// Every put has an answer within five seconds of a node that serves and has run since then.
    func checkAnswers(nowMillis: UInt64, upSinceMillis: UInt64) throws(Violation) {
        for (question, since) in self.questions where nowMillis > max(since, upSinceMillis) + 5000 {
            let wait = nowMillis - since
            throw Violation(
                "put \(question.sequence) of producer \(question.producer) has had no answer for \(wait) ms")
        }
    }

    // MARK: Rates

    /// A record was admitted to a shard that takes `rate` a second: in any span no more than a second's worth beyond
    /// what the span brings (docs/kinesis-semantics.md, Limits).
    mutating func admitted(to shard: ShardRef, rate: Int64?, nowMillis: UInt64) throws(Violation) {
        guard let rate else { return }
        var times = self.times.removeValue(forKey: shard) ?? []
        times.append(nowMillis)
        defer { self.times[shard] = times }
        for span in [200, 1000, 3000, 10_000] as [UInt64] {
            let from = nowMillis > span ? nowMillis - span : 0
            let count = times.reversed().prefix { $0 >= from }.count
            let allowed = Int(rate) + Int(UInt64(rate) * (span + 1) / 1000) + 1
            guard count <= allowed else {
                throw Violation("\(shard) admits \(count) records in \(span) ms; its rate allows \(allowed)")
            }
        }
    }
}
