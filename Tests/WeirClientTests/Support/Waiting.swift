// SPDX-License-Identifier: Apache-2.0

/// Gives others time until something has come about.
func eventually(_ isDone: () -> Bool) async {
    while !isDone() { await Task.yield() }
}
