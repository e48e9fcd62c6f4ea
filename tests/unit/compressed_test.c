/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are compressed, taken apart again by the libraries' own decompressors. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4frame.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"
#include "base/loop.h"
#include "sink/compress.h"
#include "sink/sink.h"

#define MOST (4u << 20) /* bytes of what a test writes */

static const char *const endings[] = {".gz", ".zst", ".lz4"};

static uint8_t given[MOST], plain[MOST + 1], packed[2 * MOST];

/* ---- taking it apart ---- */

/* Each returns the length of what is in plain[], -1 when @packed is not whole. */
static long gunzip(size_t length)
{
    z_stream stream = {
        .next_in = packed, .avail_in = (uInt)length, .next_out = plain, .avail_out = sizeof(plain)};

    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    int result = inflate(&stream, Z_FINISH);
    long got = result == Z_STREAM_END && stream.avail_in == 0 ? (long)stream.total_out : -1;
    inflateEnd(&stream);
    return got;
}

static long unzstd(size_t length)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {.src = packed, .size = length};
    ZSTD_outBuffer out = {.dst = plain, .size = sizeof(plain)};
    size_t left = ZSTD_decompressStream(context, &out, &in);

    ZSTD_freeDCtx(context);
    return left == 0 && in.pos == in.size ? (long)out.pos : -1;
}

static long unlz4(size_t length)
{
    LZ4F_dctx *context;
    size_t got = sizeof(plain), used = length;

    LZ4F_createDecompressionContext(&context, LZ4F_VERSION);
    size_t left = LZ4F_decompress(context, plain, &got, packed, &used, NULL);
    LZ4F_freeDecompressionContext(context);
    return left == 0 && used == length ? (long)got : -1;
}

static long (*const unpack[])(size_t length) = {gunzip, unzstd, unlz4};

/* ---- a sink ---- */

struct fixture {
    size_t kind;
    char path[64];
    struct loop *loop;
    struct sink sink;
    struct buf bytes;
    size_t given;
    unsigned ready;
};

static void on_ready(void *data)
{
    ((struct fixture *)data)->ready++;
}

/* Half of it can be compressed. */
static void fill_given(void)
{
    uint32_t random = 1;

    for (size_t i = 0; i < sizeof(given); i++) {
        random = random * 1664525 + 1013904223;
        given[i] = i % 200 < 100 ? (uint8_t)(random >> 24) : "GET / HTTP/1.1\r\n"[i % 16];
    }
}

static struct fixture *begin(size_t kind)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err = {0};

    assert_non_null(fixture);
    fixture->kind = kind;
    snprintf(fixture->path, sizeof(fixture->path), "/tmp/compressed-%d.pcapng%s", (int)getpid(),
             endings[kind]);
    fixture->loop = loop_new(&err);
    fixture->sink = (struct sink){.output = fixture->path};
    assert_int_equal(sink_prepare(&fixture->sink, &err), 0);
    fixture->sink.loop = fixture->loop;
    fixture->sink.ready = on_ready;
    fixture->sink.data = fixture;
    assert_int_equal(sink_begin(&fixture->sink, &err), 0);
    buf_init(&fixture->bytes, MOST);
    return fixture;
}

static void end(struct fixture *fixture)
{
    sink_free(&fixture->sink);
    loop_free(fixture->loop);
    unlink(fixture->path);
    buf_free(&fixture->bytes);
    free(fixture);
}

static int give(struct fixture *fixture, size_t length)
{
    struct error err = {0};

    assert_true(buf_append(&fixture->bytes, given + fixture->given, length));
    fixture->given += length;
    return sink_write(&fixture->sink, &fixture->bytes, &err);
}

static size_t file_size(const struct fixture *fixture)
{
    struct stat st;

    assert_int_equal(stat(fixture->path, &st), 0);
    return (size_t)st.st_size;
}

/* The file is whole, and holds what the sink says it does. */
static void check(const struct fixture *fixture)
{
    FILE *file = fopen(fixture->path, "rb");

    assert_non_null(file);
    size_t size = fread(packed, 1, sizeof(packed), file);
    fclose(file);
    long length = unpack[fixture->kind](size);
    assert_int_equal(length, fixture->sink.written);
    assert_memory_equal(plain, given, (size_t)length);
    assert_in_range(size, 1, sink_size(&fixture->sink));
}

static void test_whole_at_every_moment(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);
        struct error err;

        /* From the first bytes on. */
        assert_int_equal(give(fixture, 100), 0);
        assert_int_equal(fixture->sink.written, 100);
        check(fixture);
        for (size_t length = 1; fixture->given + length < 2 * MOST / 3;
             length = length * 3 / 2 + 1) {
            assert_int_equal(give(fixture, length), 0);
            assert_int_equal(fixture->bytes.length, 0);
            assert_int_equal(sink_taken(&fixture->sink), fixture->given);
            check(fixture);
        }
        assert_int_equal(sink_finish(&fixture->sink, &err), 0);
        assert_int_equal(fixture->sink.written, fixture->given);
        check(fixture);
        assert_true(file_size(fixture) < fixture->given * 2 / 3);
        end(fixture);
    }
}

/* What is not much is not kept back for long: the sink asks to be called. */
static void test_flush_in_time(void **state)
{
    struct fixture *fixture = begin(1);

    (void)state;
    give(fixture, 100);
    give(fixture, 100);
    give(fixture, 100);
    assert_int_equal(fixture->sink.written, 100);
    while (fixture->ready == 0)
        loop_step(fixture->loop, -1);
    give(fixture, 0);
    assert_int_equal(fixture->sink.written, 300);
    check(fixture);
    end(fixture);
}

/* Nor is much of it. */
static void test_flush_of_much(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);

        for (int i = 0; i < 1000; i++) {
            give(fixture, 1000);
            assert_in_range(fixture->given - fixture->sink.written, 0, 256u << 10);
        }
        check(fixture);
        end(fixture);
    }
}

static void test_settled_size(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);
        struct error err;

        give(fixture, 100);
        for (int i = 0; i < 30; i++) {
            give(fixture, 3000);
            uint64_t most = sink_size(&fixture->sink);
            assert_true(buf_append(&fixture->bytes, given + fixture->given, 7));
            fixture->given += 7;
            assert_int_equal(sink_settle(&fixture->sink, &fixture->bytes, &err), 0);
            assert_int_equal(sink_size(&fixture->sink), file_size(fixture));
            assert_in_range(sink_size(&fixture->sink), 1, most + 7);
            assert_int_equal(fixture->sink.written, fixture->given);
        }
        check(fixture);
        end(fixture);
    }
}

/* What cannot be compressed does not pass the size that was told either. */
static void test_noise(void **state)
{
    uint32_t random = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(given); i++)
        given[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);
        struct error err;

        give(fixture, 10);
        for (size_t length = 1; length < 200000; length = length * 2 + 1) {
            give(fixture, length);
            uint64_t most = sink_size(&fixture->sink);
            assert_int_equal(sink_settle(&fixture->sink, &fixture->bytes, &err), 0);
            assert_in_range(file_size(fixture), length, most);
        }
        check(fixture);
        end(fixture);
    }
    fill_given();
}

/* A file system that takes so much: the file ends whole, with the last flush. */
static void test_full_disk(void **state)
{
    struct rlimit old, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);
        struct error err;
        int result = 0;

        small = (struct rlimit){.rlim_cur = 600000, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        while (result == 0)
            result = give(fixture, 50000);
        assert_true(buf_append(&fixture->bytes, "more", 4));
        buf_take(&fixture->bytes, fixture->bytes.length);
        assert_int_equal(sink_write(&fixture->sink, &fixture->bytes, &err), 0);
        assert_int_equal(sink_finish(&fixture->sink, &err), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_in_range(fixture->sink.written, 400000, fixture->given - 1);
        check(fixture);
        end(fixture);
    }
}

/* So does one that is full when the capture ends. */
static void test_full_disk_at_the_end(void **state)
{
    struct rlimit old, small;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t kind = 0; kind < 3; kind++) {
        struct fixture *fixture = begin(kind);
        struct error err = {0};

        give(fixture, 3000);
        give(fixture, 30000);
        small = (struct rlimit){.rlim_cur = file_size(fixture) + 1, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_int_equal(sink_finish(&fixture->sink, &err), -1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(err.kind, ERROR_OUTPUT);
        assert_non_null(strstr(err.text, fixture->path));
        assert_non_null(strstr(err.text, strerror(EFBIG)));
        assert_int_equal(fixture->sink.written, 3000);
        check(fixture);
        end(fixture);
    }
}

/* ---- names ---- */

static void test_endings(void **state)
{
    (void)state;
    assert_ptr_equal(compression_of_file("x.pcapng.gz"), &compression_gzip);
    assert_ptr_equal(compression_of_file("dir/x.pcap.zst"), &compression_zstd);
    assert_ptr_equal(compression_of_file("X.PCAPNG.LZ4"), &compression_lz4);
    assert_ptr_equal(compression_of_file("x.gz"), &compression_gzip);
    assert_null(compression_of_file("x.pcapng"));
    assert_null(compression_of_file("x.gz.pcapng"));
    assert_null(compression_of_file("gz"));
    assert_null(compression_of_file(".gz"));
    assert_null(compression_of_file("dir/.gz"));
    assert_int_equal(compression_bare_length("x.pcap.zst"), 6);
    assert_int_equal(compression_bare_length("x.pcap"), 6);
}

static void test_other_endings(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(compression_check("x.pcapng.xz", &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_string_equal(err.text, "\"x.pcapng.xz\" would not be what its ending \".xz\" says");
    assert_string_equal(err.remedy, "files are compressed that end in .gz, .zst or .lz4");
    assert_int_equal(compression_check("x.pcap.BZ2", &err), -1);
    assert_int_equal(compression_check("x.pcapng.gz", &err), 0);
    assert_int_equal(compression_check("x.xz.pcapng", &err), 0);
    assert_int_equal(compression_check("x.cap", &err), 0);
    assert_int_equal(compression_check("-", &err), 0);
}

/* A pipe, or a device, cannot be written in place. */
static void test_only_files(void **state)
{
    char path[64];
    struct error err = {0};
    struct sink sink = {.output = path};

    (void)state;
    snprintf(path, sizeof(path), "/tmp/compressed-%d.fifo.gz", (int)getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sink_prepare(&sink, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_non_null(strstr(err.text, "is no file, and nothing else is compressed"));
    sink_free(&sink);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_at_every_moment),
        cmocka_unit_test(test_flush_in_time),
        cmocka_unit_test(test_flush_of_much),
        cmocka_unit_test(test_settled_size),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_at_the_end),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_other_endings),
        cmocka_unit_test(test_only_files),
    };

    fill_given();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
