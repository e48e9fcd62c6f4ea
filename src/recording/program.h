/* SPDX-License-Identifier: Apache-2.0 */
/* Where the recorder is in its pod. */
#ifndef KSNIFF_RECORDING_PROGRAM_H
#define KSNIFF_RECORDING_PROGRAM_H

#include "method/helper.h"

#define RECORDER_FILE    "ksniff-recorder"
#define RECORDER_PROGRAM HELPER_DIRECTORY "/" RECORDER_FILE

#endif
