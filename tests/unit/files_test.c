/* SPDX-License-Identifier: Apache-2.0 */
/* A sink whose files follow each other. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "sink/sink.h"

struct fixture {
    char directory[32], output[64];
    struct loop *loop;
    struct sink sink;
    struct buf bytes;
};

static void on_ready(void *data)
{
    (void)data;
}

static struct fixture *begin(const char *name)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err = {0};

    assert_non_null(fixture);
    strcpy(fixture->directory, "/tmp/files-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->output, sizeof(fixture->output), "%s/%s", fixture->directory, name);
    fixture->loop = loop_new(&err);
    fixture->sink = (struct sink){.output = fixture->output, .numbered = true};
    assert_int_equal(sink_prepare(&fixture->sink, &err), 0);
    fixture->sink.loop = fixture->loop;
    fixture->sink.ready = on_ready;
    fixture->sink.format = &capture_format_pcapng;
    fixture->sink.values.pod = "web";
    buf_init(&fixture->bytes, 1u << 20);
    assert_int_equal(sink_begin(&fixture->sink, &err), 0);
    return fixture;
}

static void end(struct fixture *fixture)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    sink_free(&fixture->sink);
    loop_free(fixture->loop);
    buf_free(&fixture->bytes);
    free(fixture);
}

static void give(struct fixture *fixture, const char *text)
{
    struct error err;

    assert_true(buf_append(&fixture->bytes, text, strlen(text)));
    assert_int_equal(sink_write(&fixture->sink, &fixture->bytes, &err), 0);
    assert_int_equal(fixture->bytes.length, 0);
}

/* Also what is not compressed. Return: bytes that the file itself has. */
static size_t check(const char *path, const char *text)
{
    char got[256];
    struct stat st;
    gzFile file = gzopen(path, "rb");

    assert_non_null(file);
    int length = gzread(file, got, sizeof(got));
    gzclose(file);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(got, text, (size_t)length);
    assert_int_equal(stat(path, &st), 0);
    return (size_t)st.st_size;
}

static void follow(const char *name)
{
    struct fixture *fixture = begin(name);
    struct sink *sink = &fixture->sink;
    cleanup_free char *first = strdup(sink->path), *second = NULL;
    struct error err;

    give(fixture, "first");
    give(fixture, " file");
    assert_int_equal(sink_next(sink, &err), 0);
    second = strdup(sink->path);
    assert_string_not_equal(first, second);
    assert_int_equal(sink->written, 10);
    size_t size = check(first, "first file");
    assert_int_equal(sink_size(sink), size);
    assert_int_equal(sink_file_size(sink), 0);
    give(fixture, "second");
    assert_in_range(sink_file_size(sink), 1, 1000);
    assert_int_equal(sink_next(sink, &err), 0);
    size += check(second, "second");
    assert_int_equal(sink_size(sink), size);
    assert_int_equal(sink->written, 16);
    give(fixture, "third");
    assert_int_equal(sink_finish(sink, &err), 0);
    size += check(sink->path, "third");
    assert_int_equal(sink_size(sink), size);
    assert_int_equal(sink_taken(sink), 21);
    end(fixture);
}

static void test_files_follow(void **state)
{
    (void)state;
    follow("%p-%i.pcapng");
    follow("%p-%i.pcapng.gz");
    follow("web.pcapng");
}

static void test_names(void **state)
{
    struct fixture *fixture = begin("%p-%i.pcapng.zst");
    struct error err;

    (void)state;
    assert_string_equal(fixture->sink.path + strlen(fixture->directory), "/web-00001.pcapng.zst");
    assert_int_equal(sink_next(&fixture->sink, &err), 0);
    assert_string_equal(fixture->sink.path + strlen(fixture->directory), "/web-00002.pcapng.zst");
    assert_string_equal(sink_name(&fixture->sink), fixture->sink.path);
    end(fixture);
}

/* The next one cannot be made: the one before stays whole, and goes on. */
static void no_next(const char *name)
{
    struct fixture *fixture = begin(name);
    struct sink *sink = &fixture->sink;
    char in_the_way[80];
    struct error err = {0};

    give(fixture, "first");
    snprintf(in_the_way, sizeof(in_the_way), "%s/00002%s", fixture->directory, name + 2);
    assert_int_equal(mkdir(in_the_way, 0700), 0);
    assert_int_equal(sink_next(sink, &err), -1);
    assert_int_equal(err.kind, ERROR_OUTPUT);
    assert_non_null(strstr(err.text, in_the_way));
    give(fixture, " file");
    assert_int_equal(sink_finish(sink, &err), 0);
    check(sink->path, "first file");
    end(fixture);
}

static void test_no_next(void **state)
{
    (void)state;
    no_next("%i.pcapng");
    no_next("%i.pcapng.gz");
}

static void refuse(const char *output, const char *text)
{
    struct sink sink = {.output = output, .numbered = true};
    struct error err = {0};

    assert_int_equal(sink_prepare(&sink, &err), -1);
    assert_string_equal(err.text, text);
    assert_true(*err.remedy);
    sink_free(&sink);
}

static void test_refused(void **state)
{
    (void)state;
    refuse(NULL, "Wireshark cannot be followed by another file: --rotate-size and --rotate-time "
                 "need -o FILE");
    refuse("-", "standard output cannot be followed by another file: --rotate-size and "
                "--rotate-time need -o FILE");
    refuse("/tmp/no/such/%p.pcapng",
           "cannot make a file in \"/tmp/no/such\": No such file or directory");
    refuse("/dev/null/x.pcapng", "cannot make a file in \"/dev/null\": Not a directory");
}

/* Bytes of a section: its head, and packets. */
static void make_section(struct buf *out)
{
    static const struct capture_section section = {.comment = "c", .application = "test"};
    static const struct capture_interface interface = {.linktype = 1, .snaplen = 100};
    static const uint8_t data[100];
    const struct capture_packet packet = {
        .timestamp = 1, .captured_length = 100, .original_length = 100, .data = data};
    struct capture_writer writer = {.format = &capture_format_pcapng, .out = out};
    struct error err;

    assert_int_equal(writer.format->begin(&writer, &section, &err), 0);
    assert_int_equal(writer.format->interface(&writer, &interface, &err), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(writer.format->packet(&writer, &packet, &err), 0);
}

/* Writes a section as standard output, with room for all but its last @missing bytes. */
static void fill(int fd, size_t before, size_t missing, struct buf *section)
{
    struct error err = {0};
    struct loop *loop = loop_new(&err);
    struct sink sink = {.kind = &sink_stdout,
                        .output = "-",
                        .format = &capture_format_pcapng,
                        .complaints = -1,
                        .loop = loop,
                        .ready = on_ready};
    struct rlimit limit, less;

    getrlimit(RLIMIT_FSIZE, &limit);
    less = (struct rlimit){before + section->length - missing, limit.rlim_max};
    assert_int_equal(sink_use_fd(&sink, fd, false, &err), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    assert_int_equal(sink_write(&sink, section, &err), -1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sink_free(&sink);
    loop_free(loop);
}

/* A disk that is full costs nothing that others have written before: only a torn block goes. */
static void full_disk(int flags)
{
    static const char older[] = "what stood there before";
    char path[] = "/tmp/files-XXXXXX", got[sizeof(older)] = "";
    cleanup_buf struct buf section;
    int fd = mkstemp(path);

    assert_int_equal(write(fd, older, strlen(older)), strlen(older));
    assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
    buf_init(&section, 1u << 16);
    make_section(&section);
    size_t whole = strlen(older) + section.length - (32 + 100);
    fill(fd, strlen(older), 10, &section);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), whole);
    assert_int_equal(lseek(fd, 0, SEEK_END), whole);
    assert_int_equal(pread(fd, got, strlen(older), 0), strlen(older));
    assert_string_equal(got, older);
    close(fd);
    unlink(path);
}

static void test_full_disk(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    full_disk(0);
    full_disk(O_APPEND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_follow), cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_next),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
