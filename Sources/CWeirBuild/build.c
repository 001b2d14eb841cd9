// SPDX-License-Identifier: Apache-2.0
#include "CWeirBuild.h"

#ifndef WEIR_COMMIT
#define WEIR_COMMIT ""
#endif

const char *weir_build_commit(void) { return WEIR_COMMIT; }
