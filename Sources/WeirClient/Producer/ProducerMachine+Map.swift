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
        self.mapAttempts += 1
        self.heardFromServer(now: now)
        // What a node lists is durable and may lag behind what it answered puts by.
        if map.version < self.mapVersionSeen {
            self.mapState = .wanted(at: now + self.mapPause)
        } else {
            self.mapState = .waiting(map)
            if map.version > (self.map?.version ?? 0) { self.mapAttempts = 0 }
            _ = self.adoptMap(now: now)
        }
        self.noteWaiting(now)
    }

    /// `isAnswer`: the server said so; otherwise there was no answer.
    package mutating func mapFailed(_ error: WeirError, isAnswer: Bool, now: UInt64) {
        guard self.failure == nil, case .fetching = self.mapState else { return }
        if isAnswer { self.heardFromServer(now: now) }
        switch self.configuration.retry.disposition(error.code, error.verdict, unknown: .resend) {
        case .stop, .fail: self.fail(error)
        case .again(let millis):
            self.mapAttempts += 1
            self.mapState = .wanted(at: now + max(self.mapPause, UInt64(millis) * 1_000_000))
        case .refreshMap:
            self.mapAttempts += 1
            self.mapState = .wanted(at: now + self.mapPause)
        }
        self.noteWaiting(now)
    }

    private var mapPause: UInt64 { self.configuration.retry.pauseNanos(attempt: self.mapAttempts, dice: 0) }

    /// The map is not the server's any more. Nothing is sent until a newer one is in effect.
    mutating func wantMap(now: UInt64) {
        guard case .current = self.mapState else { return }
        // The same map again, time after time, means that the server says one thing and lists another: go slowly.
        self.mapState = .wanted(at: self.mapAttempts == 0 ? now : now + self.mapPause)
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
        var retryAt: [ShardNumber: UInt64] = [:]
        for position in self.lanes.indices {
            runs += self.lanes[position].takeAll()
            if self.lanes[position].retryAt > 0 {
                retryAt[self.lanes[position].shard] = self.lanes[position].retryAt
            }
            // Which keys a failure concerned is not known, so it holds for all lanes.
            self.gateAll(self.lanes[position].gates)
        }
        runs.sort { $0.place < $1.place }
        self.unrouted = []
        self.map = map
        self.mapState = .current
        self.line = Queue()
        self.blocked = []
        self.lanes = map.shards.map { Lane(shard: $0.number) }
        self.standing.keep(map.shards.lazy.map(\.number))
        for position in self.lanes.indices {
            if let at = retryAt[self.lanes[position].shard] { self.block(position, through: 0, retryAt: at) }
        }
        for run in runs { self.route(run) }
    }
}
