// SPDX-License-Identifier: Apache-2.0
import NIOCore
import WeirModel
import WeirProtocol

/// Makes whole frames of the bytes as they arrive. A frame that lies whole in what arrived is given out where it lies;
/// one that comes in pieces is gathered in memory of its own.
package struct FrameAssembler {
    private var phase = FrameScanner.Phase.beforeHello
    /// The beginning of a frame; with room for all of it once its header is known.
    private var partial = ByteBuffer()
    private var pool = BufferPool()

    package init() {}

    /// Gives out every frame that is complete with `buffer`. Throws when what comes is not a frame: nothing can be
    /// understood any more.
    package mutating func feed(
        _ buffer: inout ByteBuffer, _ deliver: (FrameHeader, ByteBuffer, _ isOwned: Bool) -> Void
    ) throws(WeirError) {
        if self.partial.readableBytes > 0 {
            guard try self.complete(from: &buffer, deliver) else { return }
        }
        while buffer.readableBytes > 0 {
            switch buffer.withUnsafeReadableBytes({ FrameScanner.next(in: $0, self.phase) }) {
            case .frame(let header, _):
                self.phase = .open(frameBytesMax: Limits.frameBytesMax)
                guard let frame = buffer.readSlice(length: header.totalLength) else { return }
                deliver(header, frame, false)
            case .needMore(let more, let header):
                self.begin(&buffer, more: more, header)
                return
            case .refused(_, let error): throw error
            }
        }
    }

    /// Keeps the beginning of a frame.
    private mutating func begin(_ buffer: inout ByteBuffer, more: Int, _ header: FrameHeader?) {
        let room = header?.totalLength ?? FrameHeader.bytes
        self.partial = self.pool.take(capacity: room)
        self.partial.writeBuffer(&buffer)
    }

    /// Goes on with the frame that has begun; true when it is complete and was given out.
    private mutating func complete(
        from buffer: inout ByteBuffer, _ deliver: (FrameHeader, ByteBuffer, _ isOwned: Bool) -> Void
    ) throws(WeirError) -> Bool {
        while true {
            switch self.partial.withUnsafeReadableBytes({ FrameScanner.next(in: $0, self.phase) }) {
            case .frame(let header, _):
                self.phase = .open(frameBytesMax: Limits.frameBytesMax)
                let frame = self.partial
                self.partial = ByteBuffer()
                self.pool.giveBack(frame)
                deliver(header, frame, true)
                return true
            case .needMore(let more, let header):
                guard buffer.readableBytes > 0 else { return false }
                if let header, self.partial.capacity < header.totalLength {
                    var whole = self.pool.take(capacity: header.totalLength)
                    whole.writeBuffer(&self.partial)
                    self.partial = whole
                }
                var some = buffer.readSlice(length: min(more, buffer.readableBytes)) ?? ByteBuffer()
                self.partial.writeBuffer(&some)
            case .refused(_, let error): throw error
            }
        }
    }
}

/// Memory for frames, used again when nobody holds it any more, so that reading much does not mean getting new memory
/// from the system all the time. Bounded.
struct BufferPool {
    private var buffers: [ByteBuffer] = []
    private var next = 0
    private let countMax: Int
    /// Smaller and larger ones are not kept: for small ones looking is dearer than new memory.
    private let capacities = 4096...2 << 20

    init(countMax: Int = 16) {
        self.countMax = countMax
    }

    /// An empty buffer with room for so many bytes.
    mutating func take(capacity: Int) -> ByteBuffer {
        guard capacity >= self.capacities.lowerBound else { return ByteBufferAllocator().buffer(capacity: capacity) }
        for position in self.buffers.indices where self.buffers[position].capacity >= capacity {
            let isFree: Void? = self.buffers[position].modifyIfUniquelyOwned { $0.clear() }
            guard isFree != nil else { continue }
            let buffer = self.buffers[position]
            // Taken out, or the next write would find two owners and copy.
            self.buffers.swapAt(position, self.buffers.count - 1)
            self.buffers.removeLast()
            return buffer
        }
        return ByteBufferAllocator().buffer(capacity: capacity)
    }

    /// Remembers a buffer that others may still hold: it is used again once they do not.
    mutating func giveBack(_ buffer: ByteBuffer) {
        guard self.capacities.contains(buffer.capacity) else { return }
        if self.buffers.count < self.countMax {
            self.buffers.append(buffer)
        } else {
            self.buffers[self.next % self.countMax] = buffer
            self.next += 1
        }
    }
}
