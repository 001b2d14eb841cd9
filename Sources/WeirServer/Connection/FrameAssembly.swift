// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// A frame that arrives in pieces: its header byte by byte, then its payload into memory that was taken for all of it,
/// or its payload skipped. Frames that arrive whole never come here.
struct FrameAssembly {
    enum State {
        case between
        /// So many bytes of a header are there.
        case header(Int)
        /// So many bytes of the payload are there.
        case payload(FrameHeader, FrameType, UnsafeMutableRawBufferPointer, Int)
        /// So many bytes of a payload that nobody wants are still to come.
        case skipping(Int)
    }

    private(set) var state = State.between
    private var header: (UInt64, UInt64) = (0, 0)

    /// Whether a frame has begun and not ended.
    var isActive: Bool {
        if case .between = state { return false }
        return true
    }

    /// Takes bytes of a header from `bytes`. Returns how many, and the header when it is whole; the state is then
    /// `between`.
    mutating func takeHeader(_ bytes: UnsafeRawBufferPointer) -> (taken: Int, header: FrameHeader?) {
        let have: Int
        if case .header(let count) = self.state { have = count } else { have = 0 }
        let taken = min(FrameHeader.bytes - have, bytes.count)
        let header = withUnsafeMutableBytes(of: &self.header) { raw -> FrameHeader? in
            UnsafeMutableRawBufferPointer(rebasing: raw[have...]).copyMemory(from: bytes.slice(0, taken))
            return have + taken < FrameHeader.bytes ? nil : try? FrameHeader(reading: UnsafeRawBufferPointer(raw))
        }
        self.state = header == nil ? .header(have + taken) : .between
        return (taken, header)
    }

    /// The payload of this frame will be gathered in `memory`, which has room for it.
    mutating func begin(_ header: FrameHeader, _ type: FrameType, in memory: UnsafeMutableRawBufferPointer) {
        self.state = .payload(header, type, memory, 0)
    }

    mutating func skip(_ count: Int) {
        self.state = count > 0 ? .skipping(count) : .between
    }

    /// Takes bytes of a payload or skips them. Returns how many; when a payload is whole, it is in `state` until
    /// `finish`.
    mutating func takePayload(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch self.state {
        case .between, .header: return 0
        case .payload(let header, let type, let memory, let have):
            let taken = min(header.length - have, bytes.count)
            if taken > 0 {
                UnsafeMutableRawBufferPointer(rebasing: memory[have...]).copyMemory(from: bytes.slice(0, taken))
            }
            self.state = .payload(header, type, memory, have + taken)
            return taken
        case .skipping(let left):
            let taken = min(left, bytes.count)
            self.skip(left - taken)
            return taken
        }
    }

    /// The frame, when its payload is whole: the memory is the caller's now.
    mutating func finish() -> (header: FrameHeader, type: FrameType, memory: UnsafeMutableRawBufferPointer)? {
        guard case .payload(let header, let type, let memory, let have) = self.state, have == header.length else {
            return nil
        }
        self.state = .between
        return (header, type, memory)
    }

    /// Gives up. Returns a frame whose payload will never be whole: its memory is the caller's now.
    mutating func abandon() -> (header: FrameHeader, type: FrameType, memory: UnsafeMutableRawBufferPointer)? {
        defer { self.state = .between }
        guard case .payload(let header, let type, let memory, _) = self.state else { return nil }
        return (header, type, memory)
    }
}
