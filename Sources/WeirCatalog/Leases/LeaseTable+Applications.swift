// SPDX-License-Identifier: Apache-2.0
internal import WeirModel

extension LeaseTable {
    /// The applications of all streams, by stream: a question about a stream costs what the stream has.
    struct Applications: Sendable {
        private var streams: [StreamID: [ApplicationName: Application]] = [:]
        private(set) var count = 0

        subscript(ref: ApplicationRef) -> Application? {
            get { self.streams[ref.stream]?[ref.name] }
            _modify {
                let before = self.streams[ref.stream]?.count ?? 0
                yield &self.streams[ref.stream, default: [:]][ref.name]
                let now = self.streams[ref.stream]?.count ?? 0
                if now == 0 { self.streams[ref.stream] = nil }
                self.count += now - before
            }
        }

        /// In no order.
        func names(of stream: StreamID) -> some Collection<ApplicationName> { (self.streams[stream] ?? [:]).keys }

        func count(of stream: StreamID) -> Int { self.streams[stream]?.count ?? 0 }

        /// By stream and name.
        var refs: [ApplicationRef] {
            self.streams.sorted { $0.key < $1.key }.flatMap { stream, applications in
                applications.keys.sorted().map { ApplicationRef(stream: stream, name: $0) }
            }
        }
    }
}
