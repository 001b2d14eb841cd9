// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a process has used, as Linux tells it.
struct ProcessUsage: Sendable {
    /// CPU seconds of all its threads, in the kernel and outside.
    var cpuSeconds: Double
    /// The most memory that was ever resident, in bytes.
    var peakBytes: Int64?

    /// `nil` when there is no such process, or the system does not tell.
    static func of(pid: Int32) -> ProcessUsage? {
        // The name in parentheses may hold anything, so fields are counted from its end.
        guard let stat = Self.read("/proc/\(pid)/stat"), let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        let peak = Self.read("/proc/\(pid)/status")?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kibibytes = peak?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int64($0) }
        return ProcessUsage(
            cpuSeconds: (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))), peakBytes: kibibytes.map { $0 << 10 })
    }

    /// CPU seconds of this process.
    static var ownCPUSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// CPU that the generator and the server used while something was measured.
struct UsageWindow: Sendable {
    private let pid: Int32?
    private let own: Double
    private let server: ProcessUsage?

    /// `pid` is the server's, when it is known.
    init(pid: Int32?) {
        self.pid = pid
        self.own = ProcessUsage.ownCPUSeconds
        self.server = pid.flatMap { ProcessUsage.of(pid: $0) }
    }

    struct Used: Sendable {
        var own: Double
        var server: Double?
        var serverPeakBytes: Int64?
    }

    func end() -> Used {
        let now = self.pid.flatMap { ProcessUsage.of(pid: $0) }
        var used = Used(own: ProcessUsage.ownCPUSeconds - self.own, server: nil, serverPeakBytes: now?.peakBytes)
        if let now, let server { used.server = now.cpuSeconds - server.cpuSeconds }
        return used
    }
}
