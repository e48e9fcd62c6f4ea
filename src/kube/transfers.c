/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/transfers.h"

#include <poll.h>
#include <stdlib.h>

#include "base/loop.h"

struct kube_transfers {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer *timer;
};

static void take_messages(struct kube_transfers *transfers)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(transfers->multi, &left))) {
        struct kube_transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->finished(transfer->data, code, transfer->detail);
    }
}

static void act(struct kube_transfers *transfers, curl_socket_t socket, int flags)
{
    int running;

    curl_multi_socket_action(transfers->multi, socket, flags, &running);
    take_messages(transfers);
}

static void on_socket(void *data, int fd, short revents)
{
    int flags = 0;

    if (revents & (POLLIN | POLLHUP))
        flags |= CURL_CSELECT_IN;
    if (revents & POLLOUT)
        flags |= CURL_CSELECT_OUT;
    if (revents & (POLLERR | POLLNVAL))
        flags |= CURL_CSELECT_ERR;
    act(data, fd, flags);
}

static void on_timer(void *data)
{
    act(data, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *socket_data)
{
    struct kube_transfers *transfers = data;
    struct loop_fd *watch = socket_data;
    short events =
        (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        loop_remove_fd(watch);
        curl_multi_assign(transfers->multi, socket, NULL);
    } else if (watch) {
        loop_set_events(watch, events);
    } else {
        watch = loop_add_fd(transfers->loop, socket, events, on_socket, transfers);
        curl_multi_assign(transfers->multi, socket, watch);
    }
    return 0;
}

static int set_timer(CURLM *multi, long milliseconds, void *data)
{
    struct kube_transfers *transfers = data;

    (void)multi;
    if (milliseconds < 0)
        loop_stop_timer(transfers->timer);
    else
        loop_set_timer(transfers->timer, (uint64_t)milliseconds);
    return 0;
}

struct kube_transfers *kube_transfers_new(struct loop *loop)
{
    struct kube_transfers *transfers = calloc(1, sizeof(*transfers));

    if (!transfers)
        return NULL;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    transfers->loop = loop;
    transfers->multi = curl_multi_init();
    transfers->timer = loop_add_timer(loop, 0, on_timer, transfers);
    if (!transfers->multi || !transfers->timer) {
        kube_transfers_free(transfers);
        return NULL;
    }
    loop_stop_timer(transfers->timer);
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(transfers->multi, CURLMOPT_SOCKETDATA, transfers);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(transfers->multi, CURLMOPT_TIMERDATA, transfers);
    return transfers;
}

void kube_transfers_free(struct kube_transfers *transfers)
{
    if (!transfers)
        return;
    curl_multi_cleanup(transfers->multi);
    loop_remove_timer(transfers->timer);
    free(transfers);
    curl_global_cleanup();
}

void kube_transfers_add(struct kube_transfers *transfers, struct kube_transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_multi_add_handle(transfers->multi, transfer->easy);
}

void kube_transfers_remove(struct kube_transfers *transfers, CURL *easy)
{
    curl_multi_remove_handle(transfers->multi, easy);
}

static size_t on_answer(char *data, size_t size, size_t count, void *transfer_data)
{
    struct kube_transfer *transfer = transfer_data;

    return buf_append(&transfer->answer, data, size * count) ? size * count : 0;
}

void kube_transfer_keep_answer(struct kube_transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
}
