// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Memory that ends where the next page may not be touched: reading one byte too far ends the process.
final class GuardedPage {
    private let start: UnsafeMutableRawPointer
    private let length: Int
    private let page = sysconf(Int32(_SC_PAGESIZE))

    init(atLeast count: Int) throws {
        length = (count + page - 1) / page * page
        guard let memory = mmap(nil, length + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0),
            memory != MAP_FAILED, mprotect(memory + length, page, PROT_NONE) == 0
        else { throw POSIXError(.ENOMEM) }
        start = memory
    }

    deinit {
        munmap(start, length + page)
    }

    /// The bytes, copied so that they end at the guard.
    func place(_ bytes: ArraySlice<UInt8>) -> UnsafePointer<UInt8> {
        let place = start + length - bytes.count
        bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(place), byteCount: $0.count) }
        return UnsafePointer(place.assumingMemoryBound(to: UInt8.self))
    }
}
