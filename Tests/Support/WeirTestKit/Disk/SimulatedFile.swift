// SPDX-License-Identifier: Apache-2.0

/// One file of the simulated disk: what a power cut leaves, what readers see now, and the difference that is still on
/// its way. See `SimulatedDisk` for the rules.
struct SimulatedFile {
    static let sector = 512

    /// What a power cut leaves for sure.
    private(set) var disk: [UInt8]
    /// What reads through the page cache give.
    private(set) var cache: [UInt8]
    /// Byte ranges written and not yet synced, in order, apart from each other. What differs elsewhere was lost by a
    /// sync that failed: the cache shows it, no later sync writes it.
    private(set) var dirty: [Range<Int>] = []
    /// A sync failed since the cache was last in step: it may show what the disk does not hold.
    private var cacheLies = false

    init(zeros: Int) {
        self.disk = []
        self.cache = [UInt8](repeating: 0, count: zeros)
    }

    init(durable bytes: [UInt8]) {
        self.disk = bytes
        self.cache = bytes
    }

    var size: Int { self.cache.count }

    // MARK: Reading

    func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
        guard offset < self.cache.count else { return 0 }
        let count = min(target.count, self.cache.count - offset)
        self.cache.withUnsafeBytes {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
        }
        return count
    }

    /// Gives up cached pages that need no writing, so that a read sees what the disk holds. Pages that wait to be
    /// written stay.
    mutating func dropCleanPages() {
        guard self.cacheLies else { return }
        self.cacheLies = false
        var fresh = self.disk
        if fresh.count < self.cache.count {
            fresh += [UInt8](repeating: 0, count: self.cache.count - fresh.count)
        } else if fresh.count > self.cache.count {
            fresh.removeLast(fresh.count - self.cache.count)
        }
        for range in self.dirty { Self.copy(range, from: self.cache, to: &fresh) }
        self.cache = fresh
    }

    // MARK: Writing

    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        guard !bytes.isEmpty else { return }
        self.extend(to: offset + bytes.count)
        self.cache.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[offset..<offset + bytes.count]).copyMemory(from: bytes)
        }
        self.markDirty(offset..<offset + bytes.count)
    }

    /// A write that stopped in the midst: each sector arrived or not.
    mutating func writeTorn(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ random: inout SplitMix64) {
        let odds = random.below(5)
        var position = 0
        while position < bytes.count {
            let count = min(Self.sector, bytes.count - position)
            if random.chance(odds, of: 4) {
                self.write(UnsafeRawBufferPointer(rebasing: bytes[position..<position + count]), at: offset + position)
            }
            position += count
        }
    }

    private mutating func extend(to size: Int) {
        if size > self.cache.count { self.cache += [UInt8](repeating: 0, count: size - self.cache.count) }
    }

    private mutating func markDirty(_ range: Range<Int>) {
        // Whole sectors: a sector is written or not.
        var merged = range.lowerBound / Self.sector * Self.sector..<Self.roundUp(range.upperBound)
        var kept: [Range<Int>] = []
        for other in self.dirty {
            if other.upperBound < merged.lowerBound || other.lowerBound > merged.upperBound {
                kept.append(other)
            } else {
                merged = min(other.lowerBound, merged.lowerBound)..<max(other.upperBound, merged.upperBound)
            }
        }
        let position = kept.firstIndex { $0.lowerBound > merged.lowerBound } ?? kept.count
        kept.insert(merged, at: position)
        self.dirty = kept
    }

    // MARK: Becoming durable

    mutating func sync() {
        self.resizeDisk()
        for range in self.dirty { Self.copy(range, from: self.cache, to: &self.disk) }
        self.dirty.removeAll()
    }

    /// A sync that fails, or a power cut in the midst of one: some of the sectors arrived.
    mutating func syncPartly(_ random: inout SplitMix64) {
        let odds = random.below(5)
        if random.chance(1, of: 2) { self.resizeDisk() }
        for range in self.dirty {
            for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.sector)
            where random.chance(odds, of: 4) {
                Self.copy(start..<start + Self.sector, from: self.cache, to: &self.disk)
            }
        }
    }

    /// After a failed sync the system counts the pages as clean: the cache shows them, no later sync writes them.
    mutating func forgetDirty() {
        self.dirty.removeAll()
        self.cacheLies = true
    }

    /// What was on its way arrives in part or not at all; the cache is gone.
    mutating func cutPower(_ random: inout SplitMix64) {
        if self.disk.count != self.cache.count || !self.dirty.isEmpty { self.syncPartly(&random) }
        self.cache = self.disk
        self.dirty.removeAll()
        self.cacheLies = false
    }

    /// Cuts or extends the file, durably.
    mutating func truncate(to bytes: Int) {
        if bytes < self.cache.count {
            self.cache.removeLast(self.cache.count - bytes)
            self.dirty = self.dirty.compactMap { range in
                let cut = range.clamped(to: 0..<Self.roundUp(bytes))
                return cut.isEmpty ? nil : cut
            }
        } else {
            self.extend(to: bytes)
        }
        self.resizeDisk()
    }

    private mutating func resizeDisk() {
        if self.disk.count < self.cache.count {
            self.disk += [UInt8](repeating: 0, count: self.cache.count - self.disk.count)
        } else {
            self.disk.removeLast(self.disk.count - self.cache.count)
        }
    }

    /// A bit turns, on the disk and in what readers see.
    mutating func flip(bit: Int, at offset: Int) {
        self.cache[offset] ^= 1 << UInt8(bit)
        if offset < self.disk.count { self.disk[offset] ^= 1 << UInt8(bit) }
    }

    /// Other contents, durably.
    mutating func replace(with bytes: [UInt8]) { self = SimulatedFile(durable: bytes) }

    private static func roundUp(_ bytes: Int) -> Int { (bytes + self.sector - 1) / self.sector * self.sector }

    private static func copy(_ range: Range<Int>, from source: [UInt8], to target: inout [UInt8]) {
        let part = range.clamped(to: 0..<min(source.count, target.count))
        guard !part.isEmpty else { return }
        source.withUnsafeBytes { source in
            target.withUnsafeMutableBytes { target in
                UnsafeMutableRawBufferPointer(rebasing: target[part])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[part]))
            }
        }
    }
}
