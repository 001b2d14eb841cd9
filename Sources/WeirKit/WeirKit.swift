// SPDX-License-Identifier: Apache-2.0

// The whole of the library by one import: names and values, the client, and workers.
@_exported import WeirClient
@_exported import WeirConsumer
@_exported import WeirModel
