/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka wants these headers before its own. */
#ifndef KSNIFF_TESTS_UNIT_H
#define KSNIFF_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
