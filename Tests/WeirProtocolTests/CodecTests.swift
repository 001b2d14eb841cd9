// SPDX-License-Identifier: Apache-2.0
import Testing
import WeirModel
import WeirProtocol

@Suite struct CodecTests {
    @Test(arguments: Samples.all)
    func `Every message survives the way there and back, and no damage traps`(_ sample: Sample) {
        switch sample.name {
        // Its last field may be absent, and more may follow.
        case "hello": verifyCodec(sample, mayGrow: true, optionalBytes: 8)
        // The count is there with a feature.
        case "reset-leases-answer-count": verifyCodec(sample, optionalBytes: 4)
        // So is the profile.
        case "create-stream-profile", "list-streams-answer-profile", "update-stream-profile":
            verifyCodec(sample, optionalBytes: 1)
        // One byte more is the profile.
        case "create-stream", "create-stream-answer", "list-streams-answer", "update-stream":
            verifyCodec(sample, mayGrow: true)
        // Without place and lease it is a read by an iterator.
        case "get-records-quoted": verifyCodec(sample, optionalBytes: 40)
        default: verifyCodec(sample)
        }
    }

    @Test func `Every frame names the length of its payload`() throws {
        for sample in Samples.all {
            let header = try sample.frame.withUnsafeBytes { raw throws(MalformedBytes) in
                try FrameHeader(reading: raw)
            }
            #expect(header.totalLength == sample.frame.count, "\(sample.name)")
            #expect(header.type != nil, "\(sample.name)")
            #expect(header.flags == 0, "\(sample.name)")
        }
    }

    @Test func `There is a sample of every type of frame that has a payload`() throws {
        var seen: Set<FrameType> = []
        for sample in Samples.all {
            let header = try sample.frame.withUnsafeBytes { raw throws(MalformedBytes) in
                try FrameHeader(reading: raw)
            }
            if let type = header.type { seen.insert(type) }
        }
        // These answers have the form of one that is there: StreamAnswer, ReshardAnswer, Empty.
        let likeOthers: Set<FrameType> = [
            .describeStreamAnswer, .updateStreamAnswer, .mergeShardsAnswer, .updateShardCountAnswer,
            .deleteStreamAnswer, .unsubscribeAnswer, .handOverAnswer, .leaveGroupAnswer, .deleteApplicationAnswer,
            .deregisterConsumerAnswer, .saveLeaseStateAnswer, .setDeliveryAnswer,
        ]
        #expect(Set(FrameType.allCases) == seen.union(likeOthers))
    }
}
