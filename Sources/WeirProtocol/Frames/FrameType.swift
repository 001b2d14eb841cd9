// SPDX-License-Identifier: Apache-2.0

/// What a frame carries. The numbers are stable: one that was given out never changes its meaning.
///
/// Requests lie below 0x4000, pushes from 0x4000 on, and an answer is its request with the highest bit set.
package enum FrameType: UInt16, CaseIterable, Sendable {
    // The connection
    case hello = 0x0001
    case ping = 0x0002
    case status = 0x0003
    // Streams
    case createStream = 0x0010
    case describeStream = 0x0011
    case listStreams = 0x0012
    case updateStream = 0x0013
    case trimStream = 0x0014
    case deleteStream = 0x0015
    // Shards
    case listShards = 0x0020
    case splitShard = 0x0021
    case mergeShards = 0x0022
    case updateShardCount = 0x0023
    // Writing
    case putRecords = 0x0030
    // Reading
    case getShardIterator = 0x0040
    case getRecords = 0x0041
    case subscribe = 0x0042
    /// Has no answer, so a malformed one ends the connection.
    case credit = 0x0043
    case unsubscribe = 0x0044
    // Applications: workers that share the shards of a stream, and their leases
    case joinGroup = 0x0050
    case heartbeat = 0x0051
    case checkpoint = 0x0052
    case handOver = 0x0053
    case leaveGroup = 0x0054
    case listLeases = 0x0055
    case resetLeases = 0x0056
    case listApplications = 0x0057
    case deleteApplication = 0x0058
    case saveLeaseState = 0x0059
    case leaseState = 0x005A
    // Consumers with a read budget of their own
    case registerConsumer = 0x0060
    case deregisterConsumer = 0x0061
    case listConsumers = 0x0062
    // Deliveries that the server runs by itself
    case setDelivery = 0x0070
    case listDeliveries = 0x0071
    // Pushed by the server, with correlation id 0
    case recordsPush = 0x4001
    case subscriptionEnded = 0x4002
    case closing = 0x4003
    /// Answers any request that failed.
    case error = 0x8000
    case helloAnswer = 0x8001
    case pingAnswer = 0x8002
    case statusAnswer = 0x8003
    case createStreamAnswer = 0x8010
    case describeStreamAnswer = 0x8011
    case listStreamsAnswer = 0x8012
    case updateStreamAnswer = 0x8013
    case trimStreamAnswer = 0x8014
    case deleteStreamAnswer = 0x8015
    case listShardsAnswer = 0x8020
    case splitShardAnswer = 0x8021
    case mergeShardsAnswer = 0x8022
    case updateShardCountAnswer = 0x8023
    case putRecordsAnswer = 0x8030
    case getShardIteratorAnswer = 0x8040
    case getRecordsAnswer = 0x8041
    case subscribeAnswer = 0x8042
    case unsubscribeAnswer = 0x8044
    case joinGroupAnswer = 0x8050
    case heartbeatAnswer = 0x8051
    case checkpointAnswer = 0x8052
    case handOverAnswer = 0x8053
    case leaveGroupAnswer = 0x8054
    case listLeasesAnswer = 0x8055
    case resetLeasesAnswer = 0x8056
    case listApplicationsAnswer = 0x8057
    case deleteApplicationAnswer = 0x8058
    case saveLeaseStateAnswer = 0x8059
    case leaseStateAnswer = 0x805A
    case registerConsumerAnswer = 0x8060
    case deregisterConsumerAnswer = 0x8061
    case listConsumersAnswer = 0x8062
    case setDeliveryAnswer = 0x8070
    case listDeliveriesAnswer = 0x8071

    static var answerBit: UInt16 { 0x8000 }
    /// Of `error`.
    static var errorNumber: UInt16 { 0x8000 }

    package enum Direction: Sendable {
        case request
        case push
        case answer
    }

    package var direction: Direction {
        if self.rawValue & Self.answerBit != 0 { return .answer }
        return self.rawValue >= 0x4000 ? .push : .request
    }

    /// The type that a successful answer to this request has; `nil` for what is not answered.
    package var answer: FrameType? {
        self.direction == .request ? FrameType(rawValue: self.rawValue | Self.answerBit) : nil
    }
}
