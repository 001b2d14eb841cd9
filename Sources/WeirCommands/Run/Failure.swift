// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// How the program ends, as scripts see it.
package enum ExitStatus: Int32, Sendable {
    case success = 0
    case failed = 1
    /// The arguments are wrong.
    case usage = 2
    /// Nothing is wrong with the request; now was not the time (`EX_TEMPFAIL`).
    case tryAgain = 75
}

/// Why a command ends without success: a status and a sentence for stderr.
package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    package let status: ExitStatus
    package let description: String

    package init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }

    /// How an error of the client or the server ends the program.
    package init(_ error: WeirError) {
        self.init(error.exitStatus, error.message)
    }

    /// An argument outside what is allowed.
    static func usage(_ description: String) -> Failure { Failure(.usage, description) }
}

/// The reader of the results has gone: end without a word.
struct OutputClosed: Error {}

extension WeirError {
    /// The same error with the stream's name in its message, where the thrower knew only the stream's id.
    func naming(_ stream: StreamName) -> WeirError {
        guard self.code == .streamDeleted else { return self }
        return WeirError(self.code, "stream '\(stream)' was deleted", verdict: self.verdict)
    }

    /// The status with which a script should react: it tries again only where waiting can help. A lease that a worker
    /// holds, for example, stays in use until somebody stops the worker, while a place for a connection comes free by
    /// itself.
    var exitStatus: ExitStatus {
        switch (self.code, self.verdict.retry) {
        case (.resourceInUse, .never): .failed
        case (.limitExceeded, .after): .tryAgain
        default: self.code.exitStatus
        }
    }
}

extension WeirError.Code {
    var exitStatus: ExitStatus {
        switch self {
        case .throughputExceeded, .unavailable, .storageFull, .creditExceeded, .timedOut, .outcomeUnknown,
            .resourceInUse:
            .tryAgain
        default: .failed
        }
    }
}
