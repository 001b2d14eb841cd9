// SPDX-License-Identifier: Apache-2.0
import WeirModel
import WeirProtocol

/// A frame that arrives in pieces: its header byte by byte, then its payload into memory that grows with it, or its
/// payload skipped. Frames that arrive whole never come here.
struct FrameAssembly {
    /// A payload, as far as it is there.
    struct Gathering {
        let header: FrameHeader
        let type: FrameType
        fileprivate(set) var memory: UnsafeMutableRawBufferPointer
        /// Bytes of `memory` that may be used, and that are reserved for it: the payload's length in the end.
        fileprivate(set) var capacity: Int
        fileprivate(set) var have = 0
    }

    enum State {
        case between
        /// So many bytes of a header are there.
        case header(Int)
        case payload(Gathering)
        /// Bytes of a payload that nobody wants: so many are still to come, so many have come.
        case skipping(left: Int, taken: Int)
    }

    /// A frame takes no less memory.
    static let leastCapacity = 64 << 10

    /// The memory for a payload of which so many bytes have come: little for what was only announced, and at most four
    /// times what is there, so that memory is held by sending, not by promising.
    static func capacity(length: Int, arrived: Int) -> Int {
        min(length, max(Self.leastCapacity, arrived > length / 4 ? length : 4 * arrived))
    }

    private(set) var state = State.between
    private var header: (UInt64, UInt64) = (0, 0)

    /// Whether a frame has begun and not ended.
    var isActive: Bool {
        if case .between = state { return false }
        return true
    }

    /// Bytes of a frame that has begun and not ended, header and payload.
    var arrived: Int? {
        switch self.state {
        case .between: nil
        case .header(let count): count
        case .payload(let gathering): FrameHeader.bytes + gathering.have
        case .skipping(_, let taken): FrameHeader.bytes + taken
        }
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

    /// The payload of this frame will be gathered in `memory`, which has room for `capacity` bytes.
    mutating func begin(
        _ header: FrameHeader, _ type: FrameType, in memory: UnsafeMutableRawBufferPointer, capacity: Int
    ) {
        self.state = .payload(Gathering(header: header, type: type, memory: memory, capacity: capacity))
    }

    /// `taken` bytes of the payload have come before.
    mutating func skip(_ count: Int, after taken: Int = 0) {
        self.state = count > 0 ? .skipping(left: count, taken: taken) : .between
    }

    /// The frame whose memory is full before its payload is whole: `grow` it, or `abandon` it and `skip` the rest.
    var full: Gathering? {
        guard case .payload(let gathering) = self.state, gathering.have == gathering.capacity,
            gathering.capacity < gathering.header.length
        else { return nil }
        return gathering
    }

    /// Goes on in `memory`, which has room for `capacity` bytes. Returns the memory before, which is the caller's now.
    mutating func grow(into memory: UnsafeMutableRawBufferPointer, capacity: Int) -> UnsafeMutableRawBufferPointer? {
        guard case .payload(var gathering) = self.state else { return nil }
        let before = gathering.memory
        memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: before[..<gathering.have]))
        gathering.memory = memory
        gathering.capacity = capacity
        self.state = .payload(gathering)
        return before
    }

    /// Takes bytes of a payload, as far as there is memory, or skips them. Returns how many; when a payload is whole,
    /// it is in `state` until `finish`.
    mutating func takePayload(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch self.state {
        case .between, .header: return 0
        case .payload(var gathering):
            let count = min(gathering.capacity - gathering.have, bytes.count)
            if count > 0 {
                UnsafeMutableRawBufferPointer(rebasing: gathering.memory[gathering.have...])
                    .copyMemory(from: bytes.slice(0, count))
            }
            gathering.have += count
            self.state = .payload(gathering)
            return count
        case .skipping(let left, let taken):
            let count = min(left, bytes.count)
            self.skip(left - count, after: taken + count)
            return count
        }
    }

    /// The frame, when its payload is whole: the memory is the caller's now.
    mutating func finish() -> (header: FrameHeader, type: FrameType, memory: UnsafeMutableRawBufferPointer)? {
        guard case .payload(let gathering) = self.state, gathering.have == gathering.header.length else { return nil }
        self.state = .between
        return (gathering.header, gathering.type, gathering.memory)
    }

    /// Gives up. Returns a frame whose payload will never be whole: its memory is the caller's now.
    mutating func abandon() -> Gathering? {
        defer { self.state = .between }
        guard case .payload(let gathering) = self.state else { return nil }
        return gathering
    }
}
