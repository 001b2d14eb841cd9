// SPDX-License-Identifier: Apache-2.0
#ifndef WEIR_BUILD_H
#define WEIR_BUILD_H

/// The commit that this build was told to be of; empty if it was not told.
const char *weir_build_commit(void);

#endif
