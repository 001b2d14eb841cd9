// SPDX-License-Identifier: Apache-2.0
import WeirModel

/// Memory for dividing runs among lanes, kept between calls.
struct RoutingScratch {
    private var laneOf: [Int32] = []
    private var positions: [UInt16] = []
    /// Records of each lane; 0 between calls.
    private var counts: [Int32] = []
    private var touched: [Int32] = []

    /// Gathers the records of `run` by lane, in the chunk's `order`, each lane's in their order, and gives out the
    /// parts.
    mutating func divide(_ run: Run, by map: ShardMap, _ part: (Int, Run) -> Void) {
        let count = run.count
        if self.counts.count < map.shards.count {
            self.counts = [Int32](repeating: 0, count: map.shards.count)
        }
        if self.laneOf.count < count {
            self.laneOf = [Int32](repeating: 0, count: count)
            self.positions = [UInt16](repeating: 0, count: count)
        }
        self.touched.removeAll(keepingCapacity: true)
        self.count(run, by: map)
        if self.touched.count == 1 {
            self.counts[Int(self.touched[0])] = 0
            return part(Int(self.touched[0]), run)
        }
        self.gather(run)
        var start = run.start
        for lane in self.touched {
            // `gather` has left the end of each lane's part in its count.
            let end = run.start + Int(self.counts[Int(lane)])
            self.counts[Int(lane)] = 0
            part(Int(lane), Run(chunk: run.chunk, start: start, end: end, maybeStored: run.maybeStored))
            start = end
        }
    }

    private mutating func count(_ run: Run, by map: ShardMap) {
        run.chunk.hashes.withUnsafeBufferPointer { hashes in
            run.chunk.order.withUnsafeBufferPointer { order in
                for slot in 0..<run.count {
                    let position = order[run.start + slot]
                    let lane = map.position(of: hashes[Int(position)])
                    self.positions[slot] = position
                    self.laneOf[slot] = Int32(truncatingIfNeeded: lane)
                    if self.counts[lane] == 0 { self.touched.append(Int32(truncatingIfNeeded: lane)) }
                    self.counts[lane] += 1
                }
            }
        }
    }

    private mutating func gather(_ run: Run) {
        var start: Int32 = 0
        for lane in self.touched {
            let count = self.counts[Int(lane)]
            self.counts[Int(lane)] = start
            start += count
        }
        run.chunk.order.withUnsafeMutableBufferPointer { order in
            for slot in 0..<run.count {
                let lane = Int(self.laneOf[slot])
                order[run.start + Int(self.counts[lane])] = self.positions[slot]
                self.counts[lane] += 1
            }
        }
    }
}
