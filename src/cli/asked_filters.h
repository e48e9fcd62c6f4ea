/* SPDX-License-Identifier: Apache-2.0 */
/* -f and --stop-when: into programs, before the cluster is asked as far as that goes. */
#ifndef KSNIFF_CLI_ASKED_FILTERS_H
#define KSNIFF_CLI_ASKED_FILTERS_H

struct error;
struct kube_client;
struct options;
struct settings;

/* asked_filters_prepare - compile them; of one with names of the cluster, find what is wrong with
 * the rest. Release both with filter_free(), unless this has failed. */
int asked_filters_prepare(const struct options *options, struct settings *settings,
                          struct error *err);

/*
 * asked_filters_resolve - compile those with names of the cluster, which is asked for them
 * @ret_filter, @ret_stop_when: owned by the caller; settings may point to them; NULL where there
 * was nothing to do
 */
int asked_filters_resolve(struct kube_client *client, const struct options *options,
                          struct settings *settings, char **ret_filter, char **ret_stop_when,
                          struct error *err);

#endif
