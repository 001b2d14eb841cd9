// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// What a message calls by a name.
package protocol NamedInMessages: Hashable, Sendable, CustomStringConvertible {
    /// Throws `invalidArgument` for a name that is not allowed.
    init(_ text: String) throws(WeirError)
}

extension StreamName: NamedInMessages {}
extension ApplicationName: NamedInMessages {}
extension ConsumerName: NamedInMessages {}
extension WorkerID: NamedInMessages {}

/// A name as it stands in a request, judged once, when the request is read or made. A wrong one leaves the form of the
/// request whole, so that `validate` can tell it as the wrong value that it is.
///
/// ```
/// text
/// ```
package struct SentName<Name: NamedInMessages>: Hashable, Sendable {
    private enum State: Hashable, Sendable {
        case allowed(Name)
        case refused(String, WeirError)
    }

    private let state: State

    package init(_ name: Name) { self.state = .allowed(name) }

    package init(_ text: String) {
        do throws(WeirError) {
            self.state = .allowed(try Name(text))
        } catch {
            self.state = .refused(text, error)
        }
    }

    package func get() throws(WeirError) -> Name {
        switch self.state {
        case .allowed(let name): return name
        case .refused(_, let error): throw error
        }
    }

    package var text: String {
        switch self.state {
        case .allowed(let name): name.description
        case .refused(let text, _): text
        }
    }

    func encode(into writer: inout ByteWriter) { writer.write(self.text) }

    init(reading reader: inout ByteReader) throws(MalformedBytes) { self.init(try reader.readString()) }
}

extension SentName: ExpressibleByStringInterpolation {
    package init(stringLiteral text: String) { self.init(text) }
}
