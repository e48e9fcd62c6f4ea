/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are not the API server's own: of a proxy's filter, a gateway, a login page. What
 * they say is of unknown origin, and is escaped by whoever prints it.
 */
#ifndef KSNIFF_KUBE_FOREIGN_H
#define KSNIFF_KUBE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * kube_foreign_words - what a body says, in one short line
 * @out: receives a NUL-terminated string of at most @size bytes, cut at a whole character; "" where
 * nothing can be made out
 * @body: @length bytes: HTML (its title, else its text), JSON (its message), or text (its first
 * line)
 *
 * Return: @out.
 */
char *kube_foreign_words(char *out, size_t size, const char *body, size_t length);

/*
 * kube_foreign_is_kubelet - are these the words with which a kubelet, or the runtime behind it,
 * answers an exec by SPDY itself? In plain text, which the API server passes on: so nobody has
 * refused the exec. Source: k8s.io/kubernetes pkg/kubelet/server (getExec), pkg/kubelet
 * (findContainer); k8s.io/kubelet pkg/cri/streaming (WriteError)
 */
bool kube_foreign_is_kubelet(const char *words);

/*
 * kube_foreign_body - take the body out of an answer of HTTP/1.1 that is read by hand
 * @head: the answer's head, NUL-terminated
 * @raw: @length bytes behind the head, as far as they have come
 * @ret_body: receives the body so far, its chunks joined; as much as it may hold
 *
 * Return: is that all of it? A body of no announced length ends with the connection: false.
 * Source: RFC 9112, sections 6.3 and 7.1
 */
bool kube_foreign_body(const char *head, const char *raw, size_t length, struct buf *ret_body);

#endif
