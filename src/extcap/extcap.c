/* SPDX-License-Identifier: Apache-2.0 */
#include "extcap/extcap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/loop.h"
#include "base/text.h"
#include "capture/run.h"
#include "capture/summary.h"
#include "extcap/answers.h"
#include "extcap/memory.h"
#include "kube/client.h"

#define DISMISS_MS      5000
#define DISMISS_LOOK_MS 20
#define STATUS_MS       1000

/* ---- messages ---- */

static const char *const level_names[] = {[LOG_LEVEL_ERROR] = "ERROR",
                                          [LOG_LEVEL_WARNING] = "WARNING",
                                          [LOG_LEVEL_INFO] = "INFO",
                                          [LOG_LEVEL_DEBUG] = "DEBUG",
                                          [LOG_LEVEL_TRACE] = "TRACE"};

static void on_message(void *data, enum log_level level, const char *line)
{
    struct extcap *extcap = data;
    time_t now = time(NULL);
    struct tm local;
    char when[32];

    if (extcap->toolbar.loop)
        toolbar_log(&extcap->toolbar, line);
    if (!extcap->log)
        return;
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
    fprintf(extcap->log, "%s %s %s\n", when, level_names[level], line);
    fflush(extcap->log);
}

static enum log_level level_of(const struct extcap_request *request)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"debug", LOG_LEVEL_DEBUG}, {"trace", LOG_LEVEL_TRACE}, {"info", LOG_LEVEL_INFO}};
    const char *wanted = extcap_value(request, EXTCAP_LOG_LEVEL);

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(wanted, levels[i].name) == 0)
            return levels[i].level;
    return LOG_LEVEL_WARNING;
}

static int open_log(struct extcap *extcap, struct error *err)
{
    const char *path = extcap_value(&extcap->request, EXTCAP_LOG_FILE);

    extcap->log = *path ? fopen(path, "ae") : NULL;
    if (!*path || extcap->log)
        return 0;
    error_set(err, ERROR_OUTPUT, "cannot write the log to \"%s\": %s", path, strerror(errno));
    return error_remedy(err, "name another log file, or none");
}

/* ---- life ---- */

int extcap_begin(struct extcap *extcap, struct error *err)
{
    const char *name = extcap->request.interface;

    log_start(level_of(&extcap->request));
    log_divert(on_message, extcap);
    extcap->memory = memory_load();
    if (name && strcmp(name, EXTCAP_INTERFACE_NAME) != 0 && !memory_find(extcap->memory, name)) {
        error_set(err, ERROR_USAGE, "there is no interface \"%s\" any more", name);
        return error_remedy(err, "choose \"Kubernetes\", and the pod in it");
    }
    if (extcap->request.action == EXTCAP_CLEANUP) /* it names none: of the one that began last */
        extcap->request.interface = json_string_value(
            json_object_get(json_array_get(memory_recent(extcap->memory), 0), "name"));
    memory_fill(extcap->memory, &extcap->request);
    log_start(level_of(&extcap->request));
    log_divert(on_message, extcap);
    return open_log(extcap, err) < 0 ? -1
                                     : extcap_words_make(&extcap->request, &extcap->words, err);
}

void extcap_free(struct extcap *extcap)
{
    log_divert(NULL, NULL);
    extcap_words_free(&extcap->words);
    json_decref(extcap->memory);
    if (extcap->log)
        fclose(extcap->log);
    *extcap = (struct extcap){.log = NULL};
}

/* dumpcap waits for its pipe's other end; Wireshark shows the error when that has come and gone. */
void extcap_dismiss(const struct extcap *extcap)
{
    const struct timespec pause = {.tv_nsec = DISMISS_LOOK_MS * 1000000L};
    int fd = -1;

    if (!extcap->request.fifo || extcap->begun)
        return;
    for (int waited = 0; fd < 0 && waited < DISMISS_MS; waited += DISMISS_LOOK_MS) {
        fd = open(extcap->request.fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno != ENXIO)
            return;
        if (fd < 0)
            nanosleep(&pause, NULL);
    }
    if (fd >= 0)
        close(fd);
}

/* ---- the capture ---- */

static void on_begun(void *data)
{
    struct extcap *extcap = data;
    /* Since the beginning another capture may have been remembered. */
    json_t *memory = memory_load();

    extcap->begun = true;
    memory_add(memory, &extcap->request, extcap->config->context, extcap->config->namespace);
    memory_save(memory);
    json_decref(memory);
}

/* "1234 packets, 5.6 MB, 0 dropped" */
static void on_status(void *data, const struct summary *summary, uint64_t skipped)
{
    struct extcap *extcap = data;
    const struct summary_row *total = &summary->total;
    char text[160], bytes[32], pause[60] = "";

    /* Who has started us was killed: its dumpcap would read on, for nobody. */
    if (getppid() != extcap->parent)
        extcap->remote.quit = true;
    if (loop_now() - extcap->told < STATUS_MS)
        return;
    extcap->told = loop_now();
    if (extcap->remote.paused || skipped > 0)
        snprintf(pause, sizeof(pause), ", %s%" PRIu64 " passed in pauses",
                 extcap->remote.paused ? "paused, " : "", skipped);
    snprintf(text, sizeof(text), "Kubernetes: %" PRIu64 " packets, %s, %" PRIu64 " dropped%s",
             total->packets, text_format_bytes(bytes, sizeof(bytes), total->bytes), total->dropped,
             pause);
    toolbar_status(&extcap->toolbar, text);
}

static void on_filtered(void *data, const char *text, const struct error *err)
{
    struct extcap *extcap = data;

    if (err)
        toolbar_warn(&extcap->toolbar, err->text);
    else
        toolbar_filter(&extcap->toolbar, text);
}

/* ---- the toolbar ---- */

static void on_wanted(void *data, const char *text)
{
    struct extcap *extcap = data;

    free(extcap->remote.filter);
    extcap->remote.filter = strdup(text);
}

static void on_pause(void *data, bool paused)
{
    struct extcap *extcap = data;

    extcap->remote.paused = paused;
    log_info("%s", paused ? "paused: what passes is counted, and not written" : "it goes on");
}

static void on_quit(void *data)
{
    struct extcap *extcap = data;

    extcap->remote.quit = true;
}

int extcap_run(struct extcap *extcap, struct kube_client *client, const struct settings *settings,
               struct sink *sink, struct error *err)
{
    extcap->config = kube_client_config(client);
    extcap->parent = getppid();
    extcap->remote = (struct capture_remote){
        .begun = on_begun, .status = on_status, .filtered = on_filtered, .data = extcap};
    extcap->toolbar = (struct toolbar){.loop = kube_client_loop(client),
                                       .in_path = extcap->request.control_in,
                                       .out_path = extcap->request.control_out,
                                       .filter = settings->filter_text,
                                       .filtered = on_wanted,
                                       .paused = on_pause,
                                       .quit = on_quit,
                                       .data = extcap};
    toolbar_open(&extcap->toolbar);
    int result = capture_run(client, settings, sink, false, &extcap->remote, err);
    toolbar_close(&extcap->toolbar);
    remote_free(&extcap->remote);
    return result;
}
