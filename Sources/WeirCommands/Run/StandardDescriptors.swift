// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Descriptors 0 to 2 are always taken: what a program opens otherwise takes the place of one that is closed, and then
/// the results of a command, or a line of the log, end in a socket or in a file with data.
enum StandardDescriptors {
    /// Call it before anything is opened. A place that was empty is filled so that using it is an error, as before:
    /// what cannot be read is not taken for an empty input, and results that nobody gets are not taken for written.
    static func reserve() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // The lowest free number is the missing one: those below it are taken by now.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
