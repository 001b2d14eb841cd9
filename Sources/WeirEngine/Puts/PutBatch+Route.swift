// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension PutBatch {
    /// Scratch memory for dividing the records of one put among shards.
    struct Router: ~Copyable {
        /// Records for each position of the route table; all 0 between two puts.
        var counts: UnsafeMutablePointer<Int32>
        private var capacity: Int
        /// Positions that have records, in the order of their first one.
        var touched = ContiguousArray<Int32>()

        init() {
            self.capacity = 64
            self.counts = .allocate(capacity: self.capacity)
            self.counts.initialize(repeating: 0, count: self.capacity)
        }

        deinit { self.counts.deallocate() }

        mutating func reserve(_ shards: Int) {
            guard shards > self.capacity else { return }
            self.counts.deallocate()
            self.capacity = max(shards, self.capacity * 2)
            self.counts = .allocate(capacity: self.capacity)
            self.counts.initialize(repeating: 0, count: self.capacity)
        }
    }

    /// Computes all hash keys and says of every record which shard takes it, as far as this loop knows the shards.
    mutating func route(_ routes: RouteCache) {
        self.scratch.hash()
        for position in self.requests.indices where self.requests[position].failure < 0 {
            if let table = routes.table(for: self.requests[position].header.stream) { self.route(position, by: table) }
        }
    }

    /// Routes one put by a table, anew when it was routed before.
    mutating func route(_ position: Int, by table: RouteTable) {
        if self.requests[position].isRoutedByServer {
            self.locate(position, table)
        } else {
            self.judgeGroups(self.requests[position].parts, table)
        }
        self.requests[position].route = table
    }

    /// Whether every record of a group lies in the shard that the client chose.
    private mutating func judgeGroups(_ range: Range<Int>, _ table: RouteTable) {
        let records = self.scratch.records
        for part in range {
            let (first, count) = (self.parts[part].first, self.parts[part].count)
            let position = table.position(of: self.scratch.hashKey(of: records[first]))
            var isInside = table.number(at: position) == self.parts[part].shard
            if isInside, count > 1 {
                let keys = table.range(at: position)
                for record in first + 1..<first + count where !keys.contains(self.scratch.hashKey(of: records[record]))
                {
                    isInside = false
                    break
                }
            }
            self.parts[part].position = isInside ? position : -1
        }
    }

    /// Says of every record of a put which shard takes it.
    private func locate(_ position: Int, _ table: RouteTable) {
        let (first, count) = (self.requests[position].firstRecord, self.requests[position].recordCount)
        let records = self.scratch.records
        for record in first..<first + count {
            records[record].shard = Int32(
                truncatingIfNeeded: table.position(of: self.scratch.hashKey(of: records[record])))
        }
    }

    /// Makes a part for every shard that the put has records for, where each shard must be judged by itself.
    mutating func divide(_ position: Int, _ table: RouteTable) {
        let request = self.requests[position]
        let whole = self.parts[request.parts.lowerBound]
        self.router.reserve(table.count)
        self.router.touched.removeAll(keepingCapacity: true)
        let records = self.scratch.records
        for record in whole.first..<whole.first + whole.count {
            let shard = Int(records[record].shard)
            if self.router.counts[shard] == 0 { self.router.touched.append(Int32(truncatingIfNeeded: shard)) }
            self.router.counts[shard] += 1
        }
        if self.router.touched.count == 1 {
            self.takeWhole(whole, by: table, position)
        } else {
            self.gather(whole, by: table, position)
        }
        for shard in self.router.touched { self.router.counts[Int(shard)] = 0 }
    }

    /// All records go to one shard: they lie back to back already.
    private mutating func takeWhole(_ whole: Part, by table: RouteTable, _ position: Int) {
        let first = self.order.count
        for record in whole.first..<whole.first + whole.count { self.order.append(Int32(truncatingIfNeeded: record)) }
        let start = self.startParts(whole, position)
        self.parts.append(
            Part(
                shard: table.number(at: Int(self.router.touched[0])), body: Self.nothing, records: whole.records,
                first: first, count: whole.count, payload: whole.payload, position: Int(self.router.touched[0])))
        self.requests[position].parts = start..<self.parts.count
    }

    /// A counting sort: the records of each shard are brought together, in their order.
    private mutating func gather(_ whole: Part, by table: RouteTable, _ position: Int) {
        let records = self.scratch.records
        let memory = self.gatherPool.take(whole.records.count)
        self.gathered.append(memory)
        let first = self.order.count
        self.order.append(contentsOf: repeatElement(0, count: whole.count))
        var next = first
        for shard in self.router.touched {
            let count = self.router.counts[Int(shard)]
            self.router.counts[Int(shard)] = Int32(truncatingIfNeeded: next)
            next += Int(count)
        }
        for record in whole.first..<whole.first + whole.count {
            let shard = Int(records[record].shard)
            self.order[Int(self.router.counts[shard])] = Int32(truncatingIfNeeded: record)
            self.router.counts[shard] += 1
        }
        let start = self.startParts(whole, position)
        var filled = 0
        var from = first
        for shard in self.router.touched {
            // The count has become the end of the shard's records in `order`.
            let end = Int(self.router.counts[Int(shard)])
            let begin = filled
            var payload = 0
            for place in from..<end {
                let record = records[Int(self.order[place])]
                UnsafeMutableRawBufferPointer(rebasing: memory[filled...]).copyMemory(
                    from: UnsafeRawBufferPointer(start: record.bytes, count: Int(record.length)))
                filled += Int(record.length)
                payload += Int(record.payload)
            }
            self.parts.append(
                Part(
                    shard: table.number(at: Int(shard)), body: Self.nothing,
                    records: UnsafeRawBufferPointer(rebasing: memory[begin..<filled]), first: from, count: end - from,
                    payload: payload, position: Int(shard)))
            from = end
        }
        self.requests[position].parts = start..<self.parts.count
    }

    /// The parts of a divided put come behind its whole body, at the end of all parts.
    private mutating func startParts(_ whole: Part, _ position: Int) -> Int {
        self.parts.append(whole)
        return self.parts.count
    }

    static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}
