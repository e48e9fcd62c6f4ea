/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_BASE_RESIDENT_H
#define KSNIFF_BASE_RESIDENT_H

/*
 * resident_trim - give back what the program's start has read of its libraries
 *
 * The dynamic linker looks through the symbols of forty libraries, and some of them set themselves
 * up, of which most is never looked at again: pages of files, which come back when they are. Where
 * that cannot be done it is not.
 */
void resident_trim(void);

#endif
