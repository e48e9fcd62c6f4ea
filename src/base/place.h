/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KSNIFF_BASE_PLACE_H
#define KSNIFF_BASE_PLACE_H

/*
 * place_of_documents - the folder in which the roles are, as rbac/
 *
 * It is the program's own where they stand beside it, as in an unpacked archive, else where
 * `make install` puts them. Return: a path that stays as it is; never NULL.
 */
const char *place_of_documents(void);

/* Where `make install` puts the documents. Return: a path that stays as it is; never NULL. */
const char *place_after_install(void);

#endif
