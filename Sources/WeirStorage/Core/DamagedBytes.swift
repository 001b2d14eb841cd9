// SPDX-License-Identifier: Apache-2.0
import WeirCatalog
import WeirLog
import WeirModel

/// Where readers and the scrub found bytes of a file that are not what was written. Each place counts once, however
/// often it is met, and places that touch are one.
struct DamagedBytes {
    /// Places of one file that are kept apart. What is found beyond is refused to readers like the rest, and not named.
    static let placesMax = 1_000

    private(set) var places: [Range<Int>] = []

    /// Returns whether something new is told by it.
    mutating func note(_ bytes: Range<Int>) -> Bool {
        guard !bytes.isEmpty else { return false }
        let from = self.places.firstIndex { $0.upperBound >= bytes.lowerBound } ?? self.places.count
        let to = self.places[from...].firstIndex { $0.lowerBound > bytes.upperBound } ?? self.places.count
        let touched = self.places[from..<to]
        if touched.contains(where: { $0.lowerBound <= bytes.lowerBound && $0.upperBound >= bytes.upperBound }) {
            return false
        }
        guard !touched.isEmpty || self.places.count < Self.placesMax else { return false }
        let lower = min(bytes.lowerBound, touched.first?.lowerBound ?? bytes.lowerBound)
        let upper = max(bytes.upperBound, touched.last?.upperBound ?? bytes.upperBound)
        self.places.replaceSubrange(from..<to, with: [lower..<upper])
        return true
    }
}

extension LogCore {
    /// What the disk does not give back of segments in use, as far as anybody has met it in this term.
    package var foundDamage: [DamagedRange] {
        self.segments.flatMap { segment in
            segment.damagedBytes.places.map {
                DamagedRange(
                    file: Segment.fileName(segment.header.file), offset: $0.lowerBound, length: $0.count)
            }
        }
    }

    /// Returns the sentences for an operator: one for each place that was not known.
    func note(_ batches: [IndexEntry], of shard: ShardRef, areDamagedIn segment: Segment) -> [String] {
        let stream = self.catalog.stream(shard.stream)?.name.description ?? "a deleted stream"
        return batches.compactMap { batch in
            let bytes = Int(batch.offset)..<Int(batch.offset) + Int(batch.length)
            guard segment.damagedBytes.note(bytes) else { return nil }
            return "\(Segment.fileName(segment.header.file)) is damaged in bytes \(bytes.lowerBound) to "
                + "\(bytes.upperBound): records \(batch.firstIndex) to \(batch.endIndex - 1) of \(shard.shard) of "
                + "\(stream) are not what was written; readers pass over them and are told how many they missed"
        }
    }
}
