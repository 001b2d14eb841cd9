// SPDX-License-Identifier: Apache-2.0
import WeirModel

extension ProducerMachine {
    /// Whether the shards are to be listed now; then `mapFetchStarted`, and `mapFetched` or `mapFailed`, follow.
    package func wantsMap(now: UInt64) -> Bool {
        guard self.isConnected, self.failure == nil, case .wanted(let at) = self.mapState else { return false }
        return at <= now
    }

    package mutating func mapFetchStarted(now: UInt64) {
        self.mapState = .fetching
        self.noteWaiting(now)
    }

    package mutating func mapFetched(_ map: ShardMap, now: UInt64) {
        guard self.failure == nil, case .fetching = self.mapState else { return }
        self.mapPace.listed(isNewer: map.version >= self.mapVersionSeen && map.version > (self.map?.version ?? 0))
        self.heardFromServer(now: now)
        // What a node lists is durable and may lag behind what it answered puts by.
        if map.version < self.mapVersionSeen {
            self.tried(
                WeirError(
                    .unavailable,
                    "the server lists version \(map.version) of the shards, and answers puts by version "
                        + "\(self.mapVersionSeen)"), now: now)
            self.mapState = .wanted(at: now + self.mapPause)
        } else {
            self.mapState = .waiting(map)
            _ = self.adoptMap(now: now)
        }
        self.noteWaiting(now)
    }

    /// `isAnswer`: the server said so; otherwise there was no answer.
    package mutating func mapFailed(_ error: WeirError, isAnswer: Bool, now: UInt64) {
        guard self.failure == nil, case .fetching = self.mapState else { return }
        defer { self.noteWaiting(now) }
        guard isAnswer else {
            // What became of the connection is told by its end.
            self.mapPace.failed()
            self.mapState = .wanted(at: now + self.mapPause)
            return
        }
        self.heardFromServer(now: now)
        switch self.configuration.retry.disposition(error.code, error.verdict, unknown: .resend) {
        case .stop, .fail: self.fail(error)
        case .again(let millis):
            self.tried(error, now: now)
            self.mapPace.failed()
            self.mapState = .wanted(at: now + max(self.mapPause, UInt64(millis) * 1_000_000))
        case .refreshMap:
            self.tried(error, now: now)
            self.mapPace.failed()
            self.mapState = .wanted(at: now + self.mapPause)
        }
    }

    /// The shards were listed in vain.
    private mutating func tried(_ error: WeirError, now: UInt64) {
        if self.heldCount > 0 { self.obstacles.refused(nil, error, now: now) }
    }

    private var mapPause: UInt64 { self.mapPace.pause(self.configuration.retry) }

    /// The map is not the server's any more. Nothing is sent until a newer one is in effect.
    mutating func wantMap(now: UInt64) {
        guard case .current = self.mapState else { return }
        self.mapState = .wanted(at: now + self.mapPause)
    }

    /// Puts a fetched map into effect once nothing is under way. True when requests may be formed.
    mutating func adoptMap(now: UInt64) -> Bool {
        switch self.mapState {
        case .current: return true
        case .wanted, .fetching: return false
        case .waiting(let map):
            guard self.unanswered == 0 else { return false }
            self.adopt(map)
            return true
        }
    }

    private mutating func adopt(_ map: ShardMap) {
        var runs = self.unrouted
        for position in self.lanes.indices {
            runs += self.lanes[position].takeAll()
            // Which keys a failure concerned is not known, so it holds for all lanes.
            self.gateAll(self.lanes[position].gates)
        }
        let before = self.lanes
        runs.sort { $0.place < $1.place }
        self.unrouted = []
        self.map = map
        self.mapState = .current
        self.line = Queue()
        self.blocked = []
        self.lanes = map.shards.map { Lane(shard: $0.number) }
        self.keepPaces(of: before)
        for run in runs { self.route(run) }
    }

    /// Shards that are still put to are what they were: when they may be tried again, and what keeps them.
    private mutating func keepPaces(of before: [Lane]) {
        var positions: [ShardNumber: Int] = [:]
        for (position, lane) in self.lanes.enumerated() { positions[lane.shard] = position }
        for lane in before {
            guard let position = positions[lane.shard] else { continue }
            self.lanes[position].pace = lane.pace
            if lane.retryAt > 0 { self.block(position, through: 0, retryAt: lane.retryAt) }
        }
        self.obstacles.move { positions[before[$0].shard] }
    }
}
