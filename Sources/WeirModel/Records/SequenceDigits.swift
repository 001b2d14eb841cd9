// SPDX-License-Identifier: Apache-2.0

/// The 56 decimal digits of sequence numbers, for many records in a row.
///
/// One index more in the same shard and second is 2^80 more (docs/kinesis-semantics.md, Sequence numbers: the index
/// stands above 80 bits of arrival, shard and version), so the next number is an addition on the digits, which costs a
/// tenth of making them anew.
package struct SequenceDigits: ~Copyable {
    package static let count = 56
    /// 2^80, last digit first.
    private static let step = Array("1208925819614629174706176".utf8.reversed()).map { $0 - 48 }

    private let digits = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.count, alignment: 16)
    private var current: SequenceNumber?

    package init() {}

    deinit {
        self.digits.deallocate()
    }

    /// Valid until the next call.
    package mutating func text(of number: SequenceNumber) -> UnsafeRawBufferPointer {
        if let current, current.shard == number.shard, current.arrivalSecond == number.arrivalSecond,
            current.shardCreationSecond == number.shardCreationSecond, number.index == current.index &+ 1
        {
            self.increment()
        } else {
            let text = number.description
            precondition(text.utf8.count == Self.count, "a sequence number has 56 digits")
            self.digits.copyBytes(from: text.utf8)
        }
        self.current = number
        return UnsafeRawBufferPointer(self.digits)
    }

    private func increment() {
        Self.step.withUnsafeBufferPointer { step in
            var carry: UInt8 = 0
            var position = 0
            while position < step.count || carry != 0 {
                let at = Self.count - 1 - position
                var sum = self.digits[at] + carry + (position < step.count ? step[position] : 0)
                carry = sum > 57 ? 1 : 0
                if carry != 0 { sum -= 10 }
                self.digits[at] = sum
                position += 1
            }
        }
    }
}
