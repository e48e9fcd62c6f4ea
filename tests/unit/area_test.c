/* SPDX-License-Identifier: Apache-2.0 */
/* What the area draws, on a terminal of our own that knows just these sequences. */
#include "tests/unit/unit.h"

#include <stdbool.h>

#include "base/area.h"

#define ROWS    12
#define COLUMNS 60

/* A terminal that wraps, and scrolls when its last row is left. */
struct terminal {
    char cells[ROWS][COLUMNS + 1];
    size_t columns, row, column;
    size_t cleared; /* cells that were not blank and were made so */
};

static void clear_row(struct terminal *terminal, size_t row, size_t from)
{
    for (size_t i = from; i < terminal->columns; i++) {
        terminal->cleared += terminal->cells[row][i] != ' ';
        terminal->cells[row][i] = ' ';
    }
}

static void begin(struct terminal *terminal, size_t columns)
{
    *terminal = (struct terminal){.columns = columns};
    for (size_t i = 0; i < ROWS; i++)
        memset(terminal->cells[i], ' ', COLUMNS);
}

static void feed_line(struct terminal *terminal)
{
    if (++terminal->row < ROWS)
        return;
    memmove(terminal->cells[0], terminal->cells[1], sizeof(terminal->cells[0]) * (ROWS - 1));
    memset(terminal->cells[ROWS - 1], ' ', COLUMNS);
    terminal->row = ROWS - 1;
}

static void put(struct terminal *terminal, char c)
{
    if (terminal->column == terminal->columns) {
        terminal->column = 0;
        feed_line(terminal);
    }
    terminal->cells[terminal->row][terminal->column++] = c;
}

/* Return: behind the sequence. */
static const unsigned char *obey(struct terminal *terminal, const unsigned char *at)
{
    size_t number = 0;

    assert_int_equal(*at++, '[');
    while (*at >= '0' && *at <= '9')
        number = number * 10 + (size_t)(*at++ - '0');
    if (*at == 'A') {
        assert_true(number <= terminal->row);
        terminal->row -= number;
    } else if (*at == 'K') {
        clear_row(terminal, terminal->row, terminal->column);
    } else {
        assert_int_equal(*at, 'J');
        clear_row(terminal, terminal->row, terminal->column);
        for (size_t i = terminal->row + 1; i < ROWS; i++)
            clear_row(terminal, i, 0);
    }
    return at + 1;
}

static void show(struct terminal *terminal, struct buf *out)
{
    const unsigned char *at = buf_bytes(out), *end = at + out->length;

    while (at < end) {
        unsigned char c = *at++;

        if (c == '\x1b')
            at = obey(terminal, at);
        else if (c == '\r')
            terminal->column = 0;
        else if (c == '\n')
            feed_line(terminal);
        else
            put(terminal, (char)c);
    }
    buf_take(out, out->length);
}

static void check(const struct terminal *terminal, size_t row, const char *text)
{
    char cells[COLUMNS + 1];
    size_t length = terminal->columns;

    memcpy(cells, terminal->cells[row], COLUMNS);
    while (length > 0 && cells[length - 1] == ' ')
        length--;
    cells[length] = '\0';
    assert_string_equal(cells, text);
}

struct fixture {
    struct terminal terminal;
    struct area area;
    struct buf out;
};

static struct fixture *fixture(size_t columns)
{
    static struct fixture fixture;

    fixture = (struct fixture){0};
    begin(&fixture.terminal, columns);
    buf_init(&fixture.out, 64 << 10);
    return &fixture;
}

static void draw(struct fixture *f, const char *text)
{
    area_draw(&f->area, text, f->terminal.columns, ROWS, &f->out);
    show(&f->terminal, &f->out);
}

/* A message, as base/log.c writes it. */
static void say(struct fixture *f, const char *text)
{
    area_erase(&f->area, f->terminal.columns, &f->out);
    buf_printf(&f->out, "%s\r\n", text);
    show(&f->terminal, &f->out);
}

static void test_drawn_over_itself(void **state)
{
    struct fixture *f = fixture(40);

    (void)state;
    draw(f, "one\ntwo longer\nthree");
    draw(f, "1\ntwo\nthree");
    check(&f->terminal, 0, "1");
    check(&f->terminal, 1, "two");
    check(&f->terminal, 2, "three");
    say(f, "a message");
    check(&f->terminal, 0, "a message");
    check(&f->terminal, 1, "");
    draw(f, "1\n2");
    check(&f->terminal, 1, "1");
    check(&f->terminal, 2, "2");
    check(&f->terminal, 3, "");
    buf_free(&f->out);
}

static void test_fewer_lines_and_none(void **state)
{
    struct fixture *f = fixture(40);

    (void)state;
    draw(f, "1\n2\n3");
    draw(f, "one");
    check(&f->terminal, 0, "one");
    check(&f->terminal, 1, "");
    check(&f->terminal, 2, "");
    draw(f, "");
    check(&f->terminal, 0, "");
    assert_int_equal(f->area.count, 0);
    area_erase(&f->area, 40, &f->out);
    assert_int_equal(f->out.length, 0);
    buf_free(&f->out);
}

/* At the bottom the terminal scrolls, once. */
static void test_at_the_bottom(void **state)
{
    struct fixture *f = fixture(40);

    (void)state;
    for (int i = 0; i < ROWS - 1; i++)
        say(f, "old");
    draw(f, "1\n2\n3");
    draw(f, "one\ntwo\nthree");
    check(&f->terminal, ROWS - 4, "old");
    check(&f->terminal, ROWS - 3, "one");
    check(&f->terminal, ROWS - 1, "three");
    buf_free(&f->out);
}

static void test_fits_the_terminal(void **state)
{
    struct fixture *f = fixture(10);

    (void)state;
    draw(f, "0123456789abcdef\nsecond");
    check(&f->terminal, 0, "012345678");
    check(&f->terminal, 1, "second");
    draw(f, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14");
    check(&f->terminal, 0, "1");
    check(&f->terminal, ROWS - 2, "11"); /* a row is left for what is above */
    check(&f->terminal, ROWS - 1, "");
    assert_int_equal(area_lines(ROWS), ROWS - 1);
    assert_int_equal(area_lines(1), 1);
    assert_int_equal(area_lines(1000), AREA_LINES_MAX);
    buf_free(&f->out);
}

/* A terminal that became narrower has wrapped what stood there. */
static void test_shrinks_with_the_terminal(void **state)
{
    struct fixture *f = fixture(40);

    (void)state;
    say(f, "above");
    draw(f, "0123456789012345678901234567890\nsecond");
    begin(&f->terminal, 20);
    memcpy(f->terminal.cells[0], "above", 5);
    memcpy(f->terminal.cells[1], "01234567890123456789", 20);
    memcpy(f->terminal.cells[2], "01234567890", 11);
    memcpy(f->terminal.cells[3], "second", 6);
    f->terminal.row = 3;
    f->terminal.column = 6;
    draw(f, "a longer line than fits\nnext");
    check(&f->terminal, 0, "above");
    check(&f->terminal, 1, "a longer line than");
    check(&f->terminal, 2, "next");
    check(&f->terminal, 3, "");
    buf_free(&f->out);
}

/* What stays the same is written over itself: nothing is cleared in between. */
static void test_no_flicker(void **state)
{
    struct fixture *f = fixture(40);

    (void)state;
    draw(f, "12 packets\nweb 12");
    area_draw(&f->area, "13 packets\nweb 13", 40, ROWS, &f->out);
    buf_append(&f->out, "", 1);
    assert_null(strstr((const char *)buf_bytes(&f->out), "\x1b[J"));
    buf_free(&f->out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn_over_itself),
        cmocka_unit_test(test_fewer_lines_and_none),
        cmocka_unit_test(test_at_the_bottom),
        cmocka_unit_test(test_fits_the_terminal),
        cmocka_unit_test(test_shrinks_with_the_terminal),
        cmocka_unit_test(test_no_flicker),
    };

    return cmocka_run_group_tests_name("area", tests, NULL, NULL);
}
